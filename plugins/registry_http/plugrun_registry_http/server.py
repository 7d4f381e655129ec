"""A registry as a server: who may use it, and what it finds."""

from __future__ import annotations

from urllib.parse import urlencode

from plugrun.api import (
    Corrupt,
    ImageNotFound,
    InvalidArgument,
    Login,
    SearchResult,
    Unauthorized,
    Unreachable,
    loads,
    shown_url,
    stall_timeout,
)

from plugrun_registry_http.client import Client, Request, whole
from plugrun_registry_http.dockerconfig import Credentials, DockerConfig, key_of
from plugrun_registry_http.places import Trust, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from plugrun_registry_http.places import Place

    _T = TypeVar("_T")

_DEFAULT = "docker.io"
# Docker Hub's search answers under another name than its images have.
_SEARCHED = {_DEFAULT: "index.docker.io"}
_LARGEST = 8 << 20


class RegistryServer:
    """One server, by the name a user gives it."""

    def __init__(self, text: str, options: Mapping[str, Any]) -> None:
        if "@" in text:
            raise InvalidArgument(
                f"registry {shown_url(text)} is asked with a user or password in its name",
                hint="name the registry alone; plugrun login takes a name and a password",
            )
        host = text.partition("://")[2] if "://" in text else text
        self._host = host.partition("/")[0] or _DEFAULT
        if key_of(self._host) != self._host:
            self._host = _DEFAULT
        self._trust = Trust(options.get("insecure", ()), options.get("certificates", ""))
        self._timeout = stall_timeout(options)
        self._config = DockerConfig()

    @property
    def server(self) -> str:
        """The key of its credentials."""
        return key_of(self._host)

    def username(self) -> str:
        """Return the name that is kept, or nothing."""
        found = self._config.find(self.server)
        return found.username if found else ""

    def login(self, username: str, password: str) -> Login:
        """Verify a name and password at ``/v2/``, and keep them."""
        kept = None if username else self._config.find(self.server)
        credentials = kept or Credentials(username, password)
        self._anywhere(self._host, lambda place: self._verify(place, credentials))
        helper = self._config.store(self.server, credentials)
        return Login("" if helper else self._config.path, helper)

    def logout(self) -> bool:
        """Forget what is kept."""
        return self._config.erase(self.server)

    def search(self, term: str, limit: int) -> tuple[SearchResult, ...]:
        """Ask the server's ``/v1/search``; few registries but Docker Hub have one."""
        host = _SEARCHED.get(self._host, self._host)
        path = f"/v1/search?{urlencode({'q': term, 'n': limit})}"
        try:
            body = self._anywhere(host, lambda place: self._get(place, path))
        except ImageNotFound:
            raise InvalidArgument(
                f"{self._host} does not offer a search", hint="most registries do not"
            ) from None
        return _results(body, host)[:limit]

    def close(self) -> None:
        """Nothing is open between two acts."""

    def _anywhere(self, host: str, ask: Callable[[Place], _T]) -> _T:
        """Ask over each scheme the server may have, until one answers."""
        failure: Unreachable | None = None
        for place in places(host, {}, self._trust):
            try:
                return ask(place)
            except Unreachable as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def _verify(self, place: Place, credentials: Credentials) -> None:
        url = f"{place.origin}/v2/"
        client = Client(self._trust, self._timeout, find=lambda _: credentials)
        try:
            client.ask(Request("GET", url, place, "")).close()
        except Unauthorized:
            raise Unauthorized(
                f"login attempt to {url} failed with status: 401 Unauthorized",
                hint="look at the name and the password",
            ) from None
        finally:
            client.close()

    def _get(self, place: Place, path: str) -> bytes:
        client = Client(self._trust, self._timeout)
        try:
            return whole(
                client.ask_openly(Request("GET", place.origin + path, place, "")), _LARGEST
            )
        finally:
            client.close()


def _results(body: bytes, host: str) -> tuple[SearchResult, ...]:
    try:
        found = loads(body)["results"] or []
        return tuple(_result(item) for item in found)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Corrupt(f"{host} did not answer a search as registries do") from None


def _result(item: dict[str, Any]) -> SearchResult:
    stars = item.get("star_count") or 0
    if not isinstance(stars, int):
        raise TypeError
    return SearchResult(
        _printable(item["name"]),
        _printable(item.get("description") or ""),
        stars,
        item.get("is_official") is True,
        item.get("is_automated") is True,
    )


def _printable(text: str) -> str:
    """Return a text without what a terminal would take for an order."""
    return "".join(c if c.isprintable() else " " for c in text)
