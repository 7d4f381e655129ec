"""One GET to a registry: token, redirects, limits. Retrying is up to the caller.

``requests`` is used by its adapter alone: a session would read .netrc, keep cookies, and read
the whole body of a redirect, whatever its size.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
from plugrun.api import Corrupt, TransportError, Unauthorized
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from plugrun_registry_http.challenge import bearer
from plugrun_registry_http.faults import Passing, mapped, refusal
from plugrun_registry_http.places import is_loopback
from plugrun_registry_http.tokens import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from plugrun_registry_http.places import Place, Trust

PARALLEL = 16
CHUNK = 256 * 1024
_REDIRECTS = 10
_REDIRECT = frozenset((301, 302, 303, 307, 308))
_CONNECT = 15.0
_ERROR_BODY = 64 * 1024
_TOKEN_BODY = 1024 * 1024


class Client:
    """Asks the places of one repository; safe to use from several threads."""

    def __init__(
        self, trust: Trust, timeout: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._trust = trust
        self._timeout = (min(timeout, _CONNECT), timeout)
        self._adapter = HTTPAdapter(pool_connections=PARALLEL, pool_maxsize=PARALLEL)
        self._tokens = Tokens(self._token, now)

    def get(
        self, place: Place, repository: str, path: str, headers: Mapping[str, str]
    ) -> requests.Response:
        """Return a successful answer, its body still to be read and the answer to be closed."""
        url = f"{place.origin}/v2/{repository}/{path}"
        used = self._tokens.header(place)
        answer = self._follow(url, place, headers, used)
        if answer.status_code == 401 and same_origin(str(answer.url), url):
            asked = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            answer = self._follow(url, place, headers, self._login(place, repository, asked, used))
        return _accepted(answer)

    def close(self) -> None:
        """Close idle connections; those in use close with their answers."""
        self._adapter.close()

    def _login(self, place: Place, repository: str, asked: str, refused: str) -> str:
        challenge = bearer(asked)
        if challenge is None:
            raise Unauthorized(
                f"{place.origin} wants a name and password for {repository}",
                hint="only anonymous pulls work yet",
            )
        return self._tokens.renew(place, challenge, f"repository:{repository}:pull", refused)

    def _token(self, url: str, place: Place) -> bytes:
        answer = _accepted(self._follow(url, place, {}, ""))
        return whole(answer, _TOKEN_BODY)

    def _follow(
        self, start: str, place: Place, headers: Mapping[str, str], authorization: str
    ) -> requests.Response:
        """Ask, and go where redirects point; only ``start``'s own host sees the authorization."""
        url = start
        for _ in range(_REDIRECTS + 1):
            shown = authorization and same_origin(url, start)
            own = {"Authorization": authorization} if shown else {}
            answer = self._once(url, place, {**headers, **own})
            target = answer.headers.get("Location")
            if answer.status_code not in _REDIRECT or not target:
                return answer
            answer.close()
            url = _target(url, target)
        raise TransportError(f"{start} redirects more than {_REDIRECTS} times")

    def _once(self, url: str, place: Place, headers: Mapping[str, str]) -> requests.Response:
        with mapped(url):
            _origin(url)
        if not self._trust.allows(url, place):
            raise TransportError(
                f"{place.origin} points to {url.partition('?')[0]}, which is not HTTPS",
                hint="mark that host insecure in the profile if this is meant to be",
            )
        own = {"User-Agent": "plugrun", "Accept-Encoding": "identity"}
        verify = self._trust.verify(url)
        if verify is False:
            _silence()
        with mapped(url):
            request = requests.Request("GET", url, headers={**own, **headers}).prepare()
            answer = self._adapter.send(
                request, stream=True, timeout=self._timeout, verify=verify, proxies=_proxies(url)
            )
            answer.url = url
            return answer


def _target(url: str, location: str) -> str:
    with mapped(url):
        return urljoin(url, location)


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


def _accepted(answer: requests.Response) -> requests.Response:
    if answer.status_code in (200, 206):
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
                raise Corrupt(f"{answer.url} sends more than the {limit} bytes allowed for it")
    promised = answer.headers.get("Content-Length", "")
    if promised.isdigit() and int(promised) > len(body):
        raise Passing(f"{answer.url} broke off after {len(body)} of {promised} bytes")
    return bytes(body)
