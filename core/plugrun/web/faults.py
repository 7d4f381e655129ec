"""What goes wrong on the way to a server, told apart, and in words of our own.

Those of ``requests`` and ``urllib3`` repeat addresses, with the password that is in one.
"""

from __future__ import annotations

import http.client

import requests
import urllib3

from plugrun.errors import Unreachable
from plugrun.model.record import record
from plugrun.web.addresses import shown_url, without_logins

WEB_PROXY = "proxy"
WEB_TLS = "tls"
WEB_UNREACHED = "unreached"
WEB_STALLED = "stalled"
WEB_NO_ADDRESS = "no address"
WEB_BROKEN = "broken"

_SHOWN = 300
_MOST = 20
_PROXY_HINT = "look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment"


@record
class WebFailure:
    """One failure: which of the kinds above, what to say of it, and the words of who noticed."""

    kind: str
    message: str
    reason: str
    hint: str = ""


def web_failure(error: BaseException, url: str) -> WebFailure:
    """Tell what ``requests``, ``urllib3``, ``http.client`` or the socket raised about an address.

    No word of it shows a password or a query.
    """
    where, causes = shown_url(url), _causes(error)
    reason = _reason(causes)
    kind = _kind(error, causes)
    if kind == WEB_NO_ADDRESS and _is_address(url):  # then it was the proxy's
        return WebFailure(
            WEB_PROXY,
            f"cannot reach {where} through the proxy: its address is not that of a proxy",
            reason,
            _PROXY_HINT,
        )
    words = {
        WEB_PROXY: f"cannot reach {where} through the proxy: {reason}",
        WEB_TLS: f"cannot speak TLS with {where}: {reason}",
        WEB_UNREACHED: f"cannot reach {where}: {reason}",
        WEB_STALLED: f"{where} has stalled: no byte came in time",
        WEB_NO_ADDRESS: f"cannot ask {where}: this is no address on the web",
        WEB_BROKEN: f"{where} broke off: {reason}",
    }
    return WebFailure(kind, words[kind], reason, _PROXY_HINT if kind == WEB_PROXY else "")


def unreachable(error: BaseException, url: str) -> Unreachable:
    """Return the error for what ``web_failure`` tells."""
    failure = web_failure(error, url)
    return Unreachable(failure.message, hint=failure.hint)


def _kind(error: BaseException, causes: list[BaseException]) -> str:
    if _has(causes, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return WEB_PROXY
    if _has(causes, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return WEB_TLS
    if _has(causes, urllib3.exceptions.NewConnectionError, requests.ConnectTimeout):
        return WEB_UNREACHED
    if _has(causes, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return WEB_STALLED
    if isinstance(error, (ValueError, http.client.InvalidURL)):
        return WEB_NO_ADDRESS
    return WEB_BROKEN


def _is_address(url: str) -> bool:
    try:
        prepared = requests.Request("GET", url).prepare()
        return bool(urllib3.util.parse_url(str(prepared.url)).host)
    except (ValueError, urllib3.exceptions.HTTPError):
        return False


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
    return without_logins(str(causes[-1]))[:_SHOWN]
