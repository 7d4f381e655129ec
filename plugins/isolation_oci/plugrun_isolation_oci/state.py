"""A task's folder: ``state``, and the bundle that the runtime is given."""

from __future__ import annotations

import os

from plugrun.api import TaskFolder, as_json, dumps, filesystem, loads, process, record, remove_flat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNTIME = ".runtime"


@record
class Facts:
    """What is noted of a task; ``maker`` is the runtime's process while it makes it."""

    bundle: str = ""
    cgroup: str = ""
    pid: int = 0
    started: int = 0
    maker: int = 0
    maker_started: int = 0
    command: str = ""

    @property
    def alive(self) -> bool:
        """Whether the task's first process lives."""
        return bool(self.pid) and process.is_alive(self.pid, self.started)


class Folder(TaskFolder):
    """One task's folder."""

    def __init__(self, root: str, id: str) -> None:
        super().__init__(root, id)
        self.own = os.path.join(root, RUNTIME, id)  # the runtime's

    def write(self, facts: Facts) -> None:
        """Replace what is known of the task, in one piece."""
        self.write_facts(as_json(facts))

    def read(self) -> Facts:
        """Return what is known of the task; little, if its creator died early."""
        return Facts(**self.read_facts())

    def write_config(self, spec: dict[str, Any]) -> None:
        """Write the runtime's config.json."""
        filesystem.write_whole(os.path.join(self.path, "config.json"), dumps(spec).encode())

    def read_config(self) -> dict[str, Any]:
        """Return what the runtime was given."""
        with open(os.path.join(self.path, "config.json"), "rb") as stream:
            spec: dict[str, Any] = loads(stream.read())
        return spec

    def remove(self) -> None:
        """Remove the folder and what the runtime has left of its own; gone is no error."""
        remove_flat(self.own)
        super().remove()
