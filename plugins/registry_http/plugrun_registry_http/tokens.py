"""Bearer tokens: fetched when a registry asks, kept until they run out.

Source: distribution, docs/spec/auth/token.md. Tokens are anonymous; each is sent only to the
place that asked for it.
"""

from __future__ import annotations

import threading
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from plugrun.api import TransportError, loads, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun_registry_http.challenge import Challenge
    from plugrun_registry_http.places import Place

# What an answer without ``expires_in`` means, and how long before its end a token is not used.
_LIFE = 60
_SLACK = 5.0


@record
class _Token:
    header: str
    ends: float


class Tokens:
    """The tokens of one transport, which is one repository; safe to use from several threads."""

    def __init__(self, fetch: Callable[[str, Place], bytes], now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._kept: dict[Place, _Token] = {}

    def header(self, place: Place) -> str:
        """Return the Authorization to send to a place, empty if there is none that lives."""
        token = self._kept.get(place)
        return token.header if token and self._now() < token.ends else ""

    def renew(self, place: Place, challenge: Challenge, scope: str, refused: str) -> str:
        """Fetch a token, unless another thread did so since ``refused`` was sent."""
        with self._lock:
            current = self.header(place)
            if current and current != refused:
                return current
            asked = self._now()
            header, life = _token(self._fetch(_question(challenge, scope), place))
            self._kept[place] = _Token(header, asked + max(life - _SLACK, life / 2))
            return header


def _question(challenge: Challenge, scope: str) -> str:
    try:
        realm = urlsplit(challenge.get("realm"))
    except ValueError:
        raise TransportError(f"{challenge.get('realm')[:200]!r} is no token server") from None
    query = parse_qsl(realm.query)
    if challenge.get("service"):
        query.append(("service", challenge.get("service")))
    query.append(("scope", challenge.get("scope") or scope))
    return urlunsplit((realm.scheme, realm.netloc, realm.path, urlencode(query), ""))


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
    return f"Bearer {text}", float(life)
