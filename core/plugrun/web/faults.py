"""What goes wrong on the way to a server, as this project's errors."""

from __future__ import annotations

import requests
import urllib3

from plugrun.errors import Unreachable

_SHOWN = 300
_MOST = 20


def unreachable(error: BaseException, where: str) -> Unreachable:
    """Return the error for what ``requests``, ``urllib3`` or the socket raised about an address."""
    causes = _causes(error)
    reason = _reason(causes)
    if _has(causes, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return Unreachable(
            f"cannot reach {where} through the proxy: {reason}",
            hint="look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment",
        )
    if _has(causes, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return Unreachable(f"cannot speak TLS with {where}: {reason}")
    if _has(causes, urllib3.exceptions.NewConnectionError, requests.ConnectTimeout):
        return Unreachable(f"cannot reach {where}: {reason}")
    if _has(causes, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return Unreachable(f"{where} has stalled: no byte came in time")
    if isinstance(error, ValueError):  # an address that is none
        return Unreachable(f"cannot ask {where}: {error}")
    return Unreachable(f"{where} broke off: {reason}")


def _has(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and those that it wraps, the outermost first."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(found) < _MOST:
        item = queue.pop(0)
        if isinstance(item, BaseException) and not any(item is one for one in found):
            found.append(item)
            queue += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return found


def _reason(causes: list[BaseException]) -> str:
    """Return the system's words, or the innermost: the outer ones are objects' names."""
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if system:
        return str(system[-1].strerror)[:_SHOWN]
    if _has(causes, requests.Timeout, TimeoutError):
        return "no answer came in time"
    return str(causes[-1])[:_SHOWN]
