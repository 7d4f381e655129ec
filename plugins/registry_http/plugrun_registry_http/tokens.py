"""What a registry is shown: bearer tokens, fetched when it asks and kept until they run out; or a
name and password, if it asks for those.

Source: distribution, docs/spec/auth/token.md and oauth.md. Each is sent only to the place that
asked for it; a name and password also to the token server that place names.
"""

from __future__ import annotations

import threading
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from plugrun.api import TransportError, Unauthorized, loads, record, shown_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun_registry_http.challenge import Challenge
    from plugrun_registry_http.dockerconfig import Credentials
    from plugrun_registry_http.places import Place

    Find = Callable[[Place], Credentials | None]

# What an answer without ``expires_in`` means, and how long before its end a token is not used.
_LIFE = 60
_LONGEST = 10**9
_SLACK = 5.0
_CLIENT = "plugrun"
_FOR_EVER = float("inf")


@record
class Question:
    """What a token server is asked: a GET, or a POST of ``form``."""

    url: str
    place: Place
    authorization: str = ""
    form: bytes = b""


@record
class _Token:
    header: str
    ends: float


def nobody(_: Place) -> None:
    """Know no name and password for any place."""
    return


class Tokens:
    """The tokens of one transport, which is one repository; safe to use from several threads."""

    def __init__(
        self,
        fetch: Callable[[Question], bytes],
        now: Callable[[], float],
        find: Find = nobody,
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._find = find
        self._lock = threading.Lock()
        self._kept: dict[tuple[Place, str], _Token] = {}

    def header(self, place: Place, scope: str) -> str:
        """Return the Authorization to send to a place, empty if there is none that lives."""
        token = self._kept.get((place, scope))
        return token.header if token and self._now() < token.ends else ""

    def renew(self, place: Place, challenge: Challenge, scope: str, refused: str) -> str:
        """Return what a challenge asks for, unless another thread got it since ``refused``.

        Raise Unauthorized if it asks for a name and password, and there is none or the wrong one.
        """
        with self._lock:
            current = self.header(place, scope)
            if current and current != refused:
                return current
            if challenge.scheme == "basic":
                token = _Token(self._basic(place, refused), _FOR_EVER)
            else:
                asked = self._now()
                question = _question(place, challenge, scope, self._find(place))
                header, life = _token(self._fetch(question))
                token = _Token(header, asked + max(life - _SLACK, life / 2))
            self._kept[place, scope] = token
            return token.header

    def _basic(self, place: Place, refused: str) -> str:
        found = self._find(place)
        if found is None or not found.username:
            raise Unauthorized(
                f"{place.origin} denies access: no basic auth credentials",
                hint=f"run plugrun login {place.source}",
            )
        if found.basic == refused:
            raise Unauthorized(
                f"{place.origin} denies access to {found.username!r}",
                hint=f"run plugrun login {place.source} with another name or password",
            )
        return found.basic


def _question(
    place: Place, challenge: Challenge, scope: str, known: Credentials | None
) -> Question:
    try:
        realm = urlsplit(challenge.get("realm"))
    except ValueError:
        raise TransportError(f"{shown_url(challenge.get('realm'))!r} is no token server") from None
    scopes = _scopes(challenge.get("scope"), scope)
    service = [("service", challenge.get("service"))] if challenge.get("service") else []
    if known is not None and known.identity:
        form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", known.identity),
            ("client_id", _CLIENT),
            *service,
            ("scope", " ".join(scopes)),
        ]
        return Question(challenge.get("realm"), place, form=urlencode(form).encode())
    query = [*parse_qsl(realm.query), *service, *(("scope", each) for each in scopes)]
    if known is not None:
        query.append(("account", known.username))
    url = urlunsplit((realm.scheme, realm.netloc, realm.path, urlencode(query), ""))
    return Question(url, place, known.basic if known is not None else "")


def _scopes(asked: str, own: str) -> list[str]:
    """Return what we want, which may be more than this request needs, and what else is asked."""
    wanted = own.split()
    names = {scope.rpartition(":")[0] for scope in wanted}
    return [*wanted, *(s for s in asked.split() if s.rpartition(":")[0] not in names)]


def _token(body: bytes) -> tuple[str, float]:
    try:
        answer = loads(body)
        text = answer.get("token") or answer["access_token"]
        life = answer.get("expires_in") or _LIFE
        good = isinstance(text, str) and text.isascii() and text.isprintable() and " " not in text
    except (ValueError, AttributeError, KeyError):
        good = False
    if not good or isinstance(life, bool) or not isinstance(life, (int, float)) or life <= 0:
        raise TransportError("the token server's answer holds no token")
    return f"Bearer {text}", float(min(life, _LONGEST))
