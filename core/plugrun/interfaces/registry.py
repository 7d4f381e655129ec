"""Registry: a server that knows its users, and may offer a search.

Opened by the hook ``plugrun_open_registry`` for a server's name as a user writes it
(``registry.example:5000``; nothing is the default one). It is a side of a transport plugin:
credentials that ``login`` has verified and kept are those its transports use.

Promises
--------
- ``login`` asks the server before it keeps anything; it raises Unauthorized if the server refuses.
- What is kept is Docker's own configuration (``config.json``, ``DOCKER_CONFIG``), written whole,
  with everything in it that is not ours, so that both tools share it.
- ``search`` raises InvalidArgument in words that name the server if it offers no search.
"""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


@record
class Login:
    """What a login came to: the file that has the credentials in clear, or the helper's name."""

    file: str = ""
    helper: str = ""
    status: str = "Login Succeeded"


@record
class SearchResult:
    """One repository a search found."""

    name: str
    description: str
    stars: int
    official: bool
    automated: bool


class Registry(Protocol):
    """One server."""

    @property
    def server(self) -> str:
        """The key its credentials are kept under."""

    def username(self) -> str:
        """Return the name that is kept for this server, or nothing."""

    def login(self, username: str, password: str) -> Login:
        """Verify a name and password and keep them; with none given, those that are kept."""

    def logout(self) -> bool:
        """Forget what is kept; return whether there was anything."""

    def search(self, term: str, limit: int) -> tuple[SearchResult, ...]:
        """Return what the server finds, at most ``limit`` entries, best first."""

    def close(self) -> None:
        """Let go of connections."""
