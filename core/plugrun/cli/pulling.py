"""What ``pull``, and ``run`` when it pulls, tell of it: Docker's lines."""

from __future__ import annotations

import sys

from plugrun.cli.progress import Plain, board
from plugrun.engine.images.arrival import PullObserver
from plugrun.engine.images.transfer import COMPLETE, DOWNLOADING, EXTRACTING
from plugrun.engine.request import RunRequest
from plugrun.errors import InvalidArgument
from plugrun.model.reference import DEFAULT_TAG, Reference, parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class PullView(PullObserver):
    """Shows a pull on a board."""

    def __init__(self, board: Plain) -> None:
        self._board = board

    def resolved(self, familiar_name: str, tag: str, digest: str) -> None:
        """Say what is pulled, by its tag or, without one, its full name and digest."""
        reference = parse_reference(familiar_name, default_tag="")
        called = tag or f"{reference.name}@{digest}"
        self._board.line(f"{called}: Pulling from {reference.path}")

    def layer(self, digest_short: str, state: str, current: int = 0, total: int = 0) -> None:
        """Show what is done with a layer."""
        if state in (DOWNLOADING, EXTRACTING):
            self._board.advance(digest_short, state, current, total)
        else:
            self._board.state(digest_short, state)

    def done(self, digest: str, up_to_date: bool, familiar: str) -> None:
        """Say what it came to."""
        self._board.line(f"Digest: {digest}")
        what = "Image is up to date" if up_to_date else "Downloaded newer image"
        self._board.line(f"Status: {what} for {familiar}")


class AllTagsView(PullView):
    """Shows one pull after another; what they came to is said once, of all of them.

    ``new_board`` makes a board for the next one: its layers' states are told anew.
    """

    def __init__(self, new_board: Callable[[], Plain]) -> None:
        super().__init__(new_board())
        self._new_board = new_board

    def resolved(self, familiar_name: str, tag: str, digest: str) -> None:
        """Say what is pulled."""
        self._board = self._new_board()
        super().resolved(familiar_name, tag, digest)

    def done(self, digest: str, up_to_date: bool, familiar: str) -> None:
        """Say which image it was."""
        self._board.line(f"Digest: {digest}")


class UnpackView(PullView):
    """Shows a pull, or what is unpacked without one: of that, how far each layer is."""

    _unpacks = False

    def missing(self, familiar: str) -> None:
        """Say why there is a pull at all."""
        self._board.line(f"Unable to find image '{_familiar(familiar)}' locally")

    def unpacking(self, familiar: str, storage: str) -> None:
        """Say why it takes a moment before anything happens."""
        self._unpacks = True
        self._board.line(f"Unpacking {_familiar(familiar)} for storage {storage}")

    def layer(self, digest_short: str, state: str, current: int = 0, total: int = 0) -> None:
        """Show what is done with a layer; nothing is pulled where one is unpacked."""
        if not self._unpacks or state == EXTRACTING:
            super().layer(digest_short, state, current, total)
        elif state == COMPLETE:
            self._board.state(digest_short, "Unpacked")


def run_observer(request: RunRequest) -> PullObserver:
    """Return what shows a pull on behalf of ``run``, on standard error."""
    return PullObserver() if request.quiet else UnpackView(board(sys.stderr))


def _familiar(text: str) -> str:
    reference = registry_reference(text)
    return text if reference is None else reference.familiar


def registry_reference(text: str, default_tag: str = DEFAULT_TAG) -> Reference | None:
    """Return the reference if the address is a registry's, None if it is another transport's."""
    scheme, rest = split_address(text)
    if scheme != "docker":
        return None
    try:
        return parse_reference(rest, default_tag=default_tag)
    except InvalidArgument:
        return None
