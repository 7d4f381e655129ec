"""One request to a registry: token, redirects, limits. Retrying is up to the caller.

``requests`` is used by its adapter alone: a session would read .netrc, keep cookies, and read
the whole body of a redirect, whatever its size.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import urljoin, urlsplit

import requests
from plugrun.api import Corrupt, TimedAdapter, TransportError, Unauthorized, record, shown_url
from requests.utils import get_environ_proxies

from plugrun_registry_http.challenge import answerable
from plugrun_registry_http.faults import Passing, mapped, refusal
from plugrun_registry_http.places import is_loopback
from plugrun_registry_http.tokens import Question, Tokens, nobody

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from plugrun_registry_http.places import Place, Trust
    from plugrun_registry_http.tokens import Find

PARALLEL = 16
CHUNK = 256 * 1024
_REDIRECTS = 10
_REDIRECT = frozenset((301, 302, 303, 307, 308))
_CONNECT = 15.0
_ERROR_BODY = 64 * 1024
_TOKEN_BODY = 1024 * 1024
# No length has more, and int() takes time for, or refuses, what has thousands.
_DIGITS = 19
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Body:
    """What is sent: its length is announced, and it is made anew each time it is sent."""

    def __init__(self, size: int, pieces: Callable[[], Iterable[bytes]]) -> None:
        self._size = size
        self._pieces = pieces

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces())


@record
class Request:
    """One request: ``scope`` is what a token has to allow, ``fine`` what counts as success."""

    method: str
    url: str
    place: Place
    scope: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: Body | None = None
    fine: tuple[int, ...] = (200, 206)


class Client:
    """Asks the places of one repository; safe to use from several threads.

    ``find`` returns the name and password for a place.
    """

    def __init__(
        self,
        trust: Trust,
        timeout: float,
        now: Callable[[], float] = time.monotonic,
        find: Find = nobody,
    ) -> None:
        self._trust = trust
        self._timeout = (min(timeout, _CONNECT), timeout)
        self._adapter = TimedAdapter(pool_connections=PARALLEL, pool_maxsize=PARALLEL)
        self._tokens = Tokens(self._token, now, find)

    def get(
        self, place: Place, repository: str, path: str, headers: Mapping[str, str]
    ) -> requests.Response:
        """Return a successful answer, its body still to be read and the answer to be closed."""
        url = f"{place.origin}/v2/{repository}/{path}"
        return self.ask(Request("GET", url, place, f"repository:{repository}:pull", headers))

    def ask(self, request: Request) -> requests.Response:
        """Return an answer that the request calls fine, to be read and closed.

        Any other raises: Unauthorized, ImageNotFound, Passing or TransportError.
        """
        # An upload may go on at another host: what is ours to show is not for that one.
        ours = same_origin(request.url, request.place.origin)
        used = self._tokens.header(request.place, request.scope) if ours else ""
        answer = self._follow(request, used)
        if ours and answer.status_code == 401 and same_origin(str(answer.url), request.url):
            asked = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            answer = self._follow(request, self._login(request, asked, used))
        return _accepted(answer, request.fine)

    def ask_openly(self, request: Request) -> requests.Response:
        """Ask without showing or fetching any credentials."""
        return _accepted(self._follow(request, ""), request.fine)

    def close(self) -> None:
        """Close idle connections; those in use close with their answers."""
        self._adapter.close()
        self._trust.close()

    def _login(self, request: Request, asked: str, refused: str) -> str:
        place, challenge = request.place, answerable(asked)
        if challenge is None:
            raise Unauthorized(
                f"{place.origin} denies access, and does not say what it wants",
                hint=f"run plugrun login {place.source}",
            )
        return self._tokens.renew(place, challenge, request.scope, refused)

    def _token(self, question: Question) -> bytes:
        method, headers = ("POST", _FORM) if question.form else ("GET", {})
        body = Body(len(question.form), lambda: (question.form,)) if question.form else None
        request = Request(method, question.url, question.place, "", headers, body)
        return whole(_accepted(self._follow(request, question.authorization)), _TOKEN_BODY)

    def _follow(self, request: Request, authorization: str) -> requests.Response:
        """Ask, and go where redirects point; only the first host sees the authorization."""
        url = request.url
        for _ in range(_REDIRECTS + 1):
            shown = authorization and same_origin(url, request.url)
            own = {"Authorization": authorization} if shown else {}
            answer = self._once(url, request, {**request.headers, **own})
            location = answer.headers.get("Location")
            if answer.status_code not in _REDIRECT or not location or not _goes_on(request, answer):
                return answer
            answer.close()
            url = target(url, location)
        raise TransportError(f"{shown_url(request.url)} redirects more than {_REDIRECTS} times")

    def _once(self, url: str, asked: Request, headers: Mapping[str, str]) -> requests.Response:
        with mapped(url):
            _origin(url)
        if not self._trust.allows(url, asked.place):
            raise TransportError(
                f"{asked.place.origin} points to {shown_url(url)}, which is not HTTPS",
                hint="mark that host insecure in the profile if this is meant to be",
            )
        own = {"User-Agent": "plugrun", "Accept-Encoding": "identity"}
        verify = self._trust.verify(url)
        if verify is False:
            _silence()
        with mapped(url):
            request = requests.Request(
                asked.method, url, headers={**own, **headers}, data=asked.body or b""
            ).prepare()
            answer = self._adapter.send(
                request,
                stream=True,
                timeout=self._timeout,
                verify=verify,
                cert=self._trust.certificate(url),
                proxies=_proxies(url),
            )
            answer.url = url
            return answer


def _goes_on(request: Request, answer: requests.Response) -> bool:
    """Whether a redirect is followed: a body goes again only where that is asked for."""
    return request.method == "GET" or (
        request.method != "HEAD" and answer.status_code in (307, 308)
    )


def target(url: str, location: str) -> str:
    """Return where an answer from ``url`` points; raise TransportError if that is no URL."""
    with mapped(url):
        found = urljoin(url, location)
        _origin(found)
        return found


def _proxies(url: str) -> dict[str, str]:
    return {} if is_loopback(urlsplit(url).netloc) else get_environ_proxies(url, None)


def _silence() -> None:
    # The user has called the host insecure; saying so again at each request helps nobody.
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common (RFC 6454)."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def _accepted(answer: requests.Response, fine: tuple[int, ...] = (200, 206)) -> requests.Response:
    if answer.status_code in fine:
        return answer
    after = retry_after(answer.headers.get("Retry-After", ""))
    with answer:
        try:
            body = read(answer, _ERROR_BODY)
        except TransportError:
            body = b""
    raise refusal(answer.status_code, str(answer.url), body, after)


def retry_after(text: str, now: Callable[[], float] = time.time) -> float:
    """Return the seconds a Retry-After header asks for, 0 if it does not (RFC 9110, 10.2.3)."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def read(answer: requests.Response, amount: int) -> bytes:
    """Return the next bytes as they are on the wire; empty at the end."""
    with mapped(str(answer.url)):
        data: bytes = answer.raw.read(amount, decode_content=False)
    return data


def whole(answer: requests.Response, limit: int) -> bytes:
    """Return and close an answer of at most ``limit`` bytes; raise Corrupt on a longer one."""
    body = bytearray()
    with answer:
        while chunk := read(answer, min(CHUNK, limit + 1 - len(body))):
            body += chunk
            if len(body) > limit:
                raise Corrupt(f"{said_of(answer)} sends more than the {limit} bytes allowed for it")
    promised = announced(answer)
    if promised > len(body):
        raise Passing(f"{said_of(answer)} broke off after {len(body)} of {promised} bytes")
    return bytes(body)


def said_of(answer: requests.Response) -> str:
    """Return whose answer it is, for a message: without what its address must not tell."""
    return shown_url(str(answer.url))


def announced(answer: requests.Response) -> int:
    """Return the length that an answer says its body has, -1 if it says none that could be."""
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else -1
