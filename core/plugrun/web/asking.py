"""One file asked of the web, wherever redirects lead: bounded in time, steps and bytes.

``requests`` is used by its adapter alone: a session would read the whole body of a redirect,
whatever its size, take passwords from .netrc, and ask for an encoding that nobody undoes.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing, contextmanager
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import requests
from requests.utils import get_environ_proxies

from plugrun.errors import TransportError
from plugrun.model.record import record
from plugrun.web.addresses import shown_url
from plugrun.web.authorities import trusted_bundle
from plugrun.web.stall import TimedAdapter, stall_timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

_CONNECT = 10.0  # seconds
_REDIRECTS = 10
_REDIRECT = frozenset((301, 302, 303, 307, 308))
_PORTS = {"http": 80, "https": 443}
_PART = 206
_REASON = 100


@record
class _Place:
    """An address without its user and password, and the Authorization these come to."""

    url: str
    authorization: str = ""


@contextmanager
def answer_of(url: str) -> Iterator[requests.Response]:
    """Ask for a file, and yield the answer that is one: its body is still to be read.

    Raise TransportError if there is none, and what ``requests``, ``urllib3`` and the system raise.
    Who is asked gets the user and password of its own address, and no other's. Certificates are
    verified, proxies are those of the environment.
    """
    stall = stall_timeout({})
    with closing(TimedAdapter()) as adapter:
        place = _place(url)
        for _ in range(_REDIRECTS + 1):
            answer = _asked(adapter, place, (min(_CONNECT, stall), stall))
            with closing(answer):
                location = answer.headers.get("Location", "")
                if answer.status_code not in _REDIRECT or not location:
                    _expect_file(answer, place)
                    yield answer
                    return
            place = _next(place, location)
    raise TransportError(f"{shown_url(url)} redirects more than {_REDIRECTS} times")


def _asked(
    adapter: TimedAdapter, place: _Place, patience: tuple[float, float]
) -> requests.Response:
    headers = {"User-Agent": "plugrun", "Accept-Encoding": "identity"}
    if place.authorization:
        headers["Authorization"] = place.authorization
    return adapter.send(
        requests.Request("GET", place.url, headers=headers).prepare(),
        stream=True,
        timeout=patience,
        verify=trusted_bundle() or True,
        proxies=get_environ_proxies(place.url, None),
    )


def _expect_file(answer: requests.Response, place: _Place) -> None:
    status = answer.status_code
    if not 200 <= status < 300 or status == _PART:  # a part was not asked for
        raise TransportError(
            f"{shown_url(place.url)}: {status} {str(answer.reason or '')[:_REASON]}".rstrip()
        )


def _place(url: str) -> _Place:
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return _Place(url)
    user, _, password = login.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    return _Place(
        urlunsplit(parts._replace(netloc=host)), f"Basic {b64encode(pair).decode('ascii')}"
    )


def _next(place: _Place, location: str) -> _Place:
    """Return where a redirect leads; it may not lead off the web."""
    found = urljoin(place.url, location)
    parts = urlsplit(found)
    if parts.scheme not in _PORTS:
        raise TransportError(
            f"{shown_url(place.url)} points to {shown_url(found)}, which is not on the web"
        )
    own = _place(found)
    if not own.authorization and _may_know(urlsplit(place.url), parts):
        return _Place(own.url, place.authorization)
    return own


def _may_know(before: SplitResult, now: SplitResult) -> bool:
    """Whether who is asked now is who was asked before, or the same host with TLS."""
    if (before.hostname, _port(before)) == (now.hostname, _port(now)):
        return before.scheme == now.scheme
    ports = _port(before), _port(now)
    return before.hostname == now.hostname and ports == (80, 443) and now.scheme == "https"


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
