"""What can go wrong on the wire, as this project's errors: the one place that knows both."""

from __future__ import annotations

import http.client
from contextlib import contextmanager

import requests
import urllib3
from plugrun.api import (
    WEB_BROKEN,
    WEB_NO_ADDRESS,
    WEB_STALLED,
    WEB_TLS,
    ImageNotFound,
    TransportError,
    Unauthorized,
    Unreachable,
    loads,
    shown_url,
    web_failure,
)

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
        ValueError,
    ) as error:
        told = _translated(error, url)
        # What is no address is repeated in the words of whoever says so, with what is secret in it.
        raise told from None if isinstance(error, ValueError) else error


def _translated(error: Exception, url: str) -> TransportError:
    failure = web_failure(error, url)
    if failure.kind in (WEB_STALLED, WEB_BROKEN):
        return Passing(failure.message)
    if failure.kind == WEB_NO_ADDRESS:
        return TransportError(failure.message)
    hint = _tls_hint(failure.reason) if failure.kind == WEB_TLS else failure.hint
    return Unreachable(failure.message, hint=hint)


def _tls_hint(reason: str) -> str:
    upper = reason.upper()
    if "CERTIFICATE" in upper or "HOSTNAME" in upper:
        return (
            "if the certificate is your own, add its authority to this machine's, or mark the "
            "registry insecure in the profile"
        )
    return "if it speaks plain HTTP, mark it insecure in the profile"


def refusal(status: int, url: str, body: bytes, after: float) -> TransportError:
    """Return the error that an answer other than success stands for."""
    where, words = shown_url(url), said(body)
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
