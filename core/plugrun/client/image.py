"""An image as a Python program sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plugrun.client.engine import Engine


class Image:
    """One image, by its ID."""

    def __init__(self, engine: Engine, id: str) -> None:
        self._engine = engine
        self.id = id

    def __repr__(self) -> str:
        return f"<Image {self.id.removeprefix('sha256:')[:12]}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Its names, each with a tag."""
        return tuple(self.inspect()["RepoTags"] or ())

    def inspect(self) -> dict[str, Any]:
        """Return all that is known of it, in the shape of Docker's API."""
        done = self._engine.command("image", "inspect", self.id)
        found: dict[str, Any] = json.loads(done.output)[0]
        return found

    def tag(self, name: str) -> None:
        """Give it one more name."""
        self._engine.command("tag", self.id, name)

    def push(self, name: str) -> None:
        """Send it to a registry under one of its names."""
        self._engine.command("push", name)

    def save(self, path: str) -> None:
        """Write it into an archive that ``load`` and other container tools read."""
        self._engine.command("save", f"--output={path}", self.id)

    def remove(self, *, force: bool = False) -> None:
        """Remove it, with all its names if ``force``."""
        words = ["--force"] if force else []
        self._engine.command("rmi", *words, self.id)
