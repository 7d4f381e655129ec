"""A file from the web, in pieces: for ``import URL``."""

from __future__ import annotations

from plugrun.errors import Unreachable
from plugrun.web.addresses import shown_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import Response

_PIECE = 1 << 20
_DIGITS = 19  # no length has more, and int() takes time for what has thousands


def is_url(text: str) -> bool:
    """Whether a text is the address of a web page."""
    return text.startswith(("http://", "https://"))


def web_pieces(
    url: str, heard: Callable[[Mapping[str, str]], None] | None = None
) -> Iterator[bytes]:
    """Yield a file's bytes as the server has them; raise TransportError, Unreachable.

    A server that is slower than the least pace is given up, as a registry is, and one that sends
    for ever what is no part of the file (``plugrun.web``). ``heard`` gets the answer's headers
    before the first byte. No error shows a password that is in the URL.
    """
    from http.client import HTTPException

    from requests import RequestException
    from urllib3.exceptions import HTTPError

    from plugrun.web.faults import unreachable

    try:
        yield from _pieces(url, heard)
    except (RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        raise unreachable(error, url) from None


def _pieces(url: str, heard: Callable[[Mapping[str, str]], None] | None) -> Iterator[bytes]:
    from plugrun.web.asking import answer_of

    with answer_of(url) as answer:
        if heard is not None:
            heard(answer.headers)
        count = 0
        # Not by `stream`: that reads the lines between chunks, and trailers, without a bound.
        while piece := answer.raw.read(_PIECE, decode_content=False):
            count += len(piece)
            yield piece
        length = _announced(answer)
        if length not in (-1, count):
            raise Unreachable(f"{shown_url(url)} ended after {count} of {length} bytes")


def _announced(answer: Response) -> int:
    """Return the length that an answer says its body has, -1 if it says none that could be."""
    text = answer.headers.get("Content-Length", "")
    if "Transfer-Encoding" in answer.headers:  # the length does not count then: RFC 9112, 6.3
        return -1
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else -1
