"""What can go wrong on the wire, as this project's errors: the one place that knows both."""

from __future__ import annotations

import http.client
from contextlib import contextmanager

import requests
import urllib3
from plugrun.api import ImageNotFound, TransportError, Unauthorized, Unreachable, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 300
_BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))


class Passing(Unreachable):
    """A failure that another try may not meet.

    ``after`` is what the source asks to wait, in seconds; ``answered`` if it said so itself.
    """

    def __init__(
        self, message: str, *, hint: str = "", after: float = 0.0, answered: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.after = after
        self.answered = answered


@contextmanager
def mapped(url: str) -> Iterator[None]:
    """Turn what ``requests``, ``urllib3`` and the socket raise into the tree of errors."""
    try:
        yield
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
    ) as error:
        raise _translated(error, url) from error
    except ValueError as error:
        raise TransportError(f"cannot ask {url}: {error}") from error


def _translated(error: Exception, url: str) -> TransportError:
    where, causes = _without_query(url), _causes(error)
    if _has(causes, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return Unreachable(
            f"cannot reach {where} through the proxy: {_reason(causes)}",
            hint="look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment",
        )
    if _has(causes, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return _tls(where, _reason(causes))
    if _has(causes, urllib3.exceptions.NewConnectionError, requests.ConnectTimeout):
        return Unreachable(f"cannot reach {where}: {_reason(causes)}")
    if _has(causes, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return Passing(f"{where} has stalled: no byte came in time")
    if isinstance(error, requests.RequestException) and isinstance(error, ValueError):
        return TransportError(f"cannot ask {where}: {error}")
    return Passing(f"{where} broke off: {_reason(causes)}")


def _has(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _tls(where: str, reason: str) -> Unreachable:
    upper = reason.upper()
    if "CERTIFICATE" in upper or "HOSTNAME" in upper:
        hint = (
            "if the certificate is your own, add its authority to this machine's, or mark the "
            "registry insecure in the profile"
        )
    else:
        hint = "if it speaks plain HTTP, mark it insecure in the profile"
    return Unreachable(f"cannot speak TLS with {where}: {reason}", hint=hint)


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and all that it wraps, outermost first."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(found) < 20:
        item = queue.pop(0)
        if isinstance(item, BaseException) and not any(item is seen for seen in found):
            found.append(item)
            queue += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return found


def _reason(causes: list[BaseException]) -> str:
    """Return the innermost words: the outer ones repeat objects' addresses."""
    system = [c for c in causes if isinstance(c, OSError) and c.strerror]
    if system:
        return str(system[-1].strerror)[:_SHOWN]
    if _has(causes, requests.Timeout, TimeoutError):
        return "no answer came in time"
    return str(causes[-1])[:_SHOWN]


def _without_query(url: str) -> str:
    # The query of a redirect's target may hold a signature.
    return url.partition("?")[0]


def refusal(status: int, url: str, body: bytes, after: float) -> TransportError:
    """Return the error that an answer other than success stands for."""
    where, words = _without_query(url), said(body)
    text = f"{status}{': ' + words if words else ''}"
    if status in (401, 403):
        return Unauthorized(
            f"{where} denies access ({text})",
            hint="the image may not exist, or may need other credentials: see plugrun login",
        )
    if status == 404:
        return ImageNotFound(f"{where} does not exist ({text})")
    if status in _BUSY:
        hint = "a rate limit: wait, or name a mirror in the profile" if status == 429 else ""
        return Passing(f"{where} cannot answer now ({text})", hint=hint, after=after, answered=True)
    if status == 400 and url.startswith("http:") and not words:
        # What servers say that expect TLS, and no registry: worth asking over the other scheme.
        return Unreachable(f"{where} does not answer plain HTTP ({text})")
    return TransportError(f"{where} answered {text}")


def said(body: bytes) -> str:
    """Return a registry's own words from an error document (distribution-spec, Error Codes)."""
    try:
        errors = loads(body)["errors"]
        words = "; ".join(str(e.get("message") or e.get("code", "")) for e in errors[:3])
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
    return "".join(c if c.isprintable() else " " for c in words)[:_SHOWN].strip()
