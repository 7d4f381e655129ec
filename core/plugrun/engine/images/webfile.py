"""A file from the web, in pieces: for ``import URL``."""

from __future__ import annotations

from plugrun.errors import TransportError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import Session
    from requests.adapters import HTTPAdapter

_PIECE = 1 << 20
_CONNECT = 10.0  # seconds


def is_url(text: str) -> bool:
    """Whether a text is the address of a web page."""
    return text.startswith(("http://", "https://"))


def web_pieces(
    url: str, heard: Callable[[Mapping[str, str]], None] | None = None
) -> Iterator[bytes]:
    """Yield a file's bytes as the server has them; raise TransportError, Unreachable.

    Certificates are verified, proxies are those of the environment, and a server that is slower
    than the least pace is given up, as a registry is (``plugrun.web.stall``). ``heard`` gets the
    answer's headers before the first byte.
    """
    import requests
    from urllib3.exceptions import HTTPError

    from plugrun.web.stall import TimedAdapter, stall_timeout

    stall = stall_timeout({})
    patience = min(_CONNECT, stall), stall
    try:
        with (
            _session(TimedAdapter()) as session,
            session.get(url, stream=True, timeout=patience) as answer,
        ):
            if answer.status_code >= 400:
                raise TransportError(f"{_shown(url)}: {answer.status_code} {answer.reason}")
            if heard is not None:
                heard(answer.headers)
            length = answer.headers.get("Content-Length", "")
            yield from _whole(answer.raw.stream(_PIECE, decode_content=False), length, url)
    # A redirect to what is no address comes through `requests` as it was raised.
    except (requests.RequestException, HTTPError, ValueError) as error:
        from plugrun.web.faults import unreachable

        raise unreachable(error, _shown(url)) from None


def _session(adapter: HTTPAdapter) -> Session:
    import requests

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def _whole(pieces: Iterator[bytes], length: str, url: str) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    count = 0
    try:
        for piece in pieces:
            count += len(piece)
            yield piece
    except HTTPError as error:
        from plugrun.web.faults import unreachable

        raise unreachable(error, _shown(url)) from None
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) != count:
        raise Unreachable(f"{_shown(url)} ended after {count} of {length} bytes")


def _shown(url: str) -> str:
    """Return a URL without the password that may stand in it."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
