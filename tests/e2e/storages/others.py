"""Storages of third parties beside the built-in ones, and roots that several of them share."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

from tests.e2e.conftest import PROFILES, Plugrun

QUIET = ("--network", "none")

PROFILE = """
  {name}:
    storage: {storage}
    isolation: ns
    transport: [registry, archive, host]
    network: none
"""
# Stands on the overlay backend's work, in a folder of its own, and is another distribution's.
SECOND = """
def plugrun_open_storage(root):
    from plugrun_storage_overlay.storage import OverlayStorage
    return OverlayStorage(root)
"""
# Works as long as a file is there.
MOODY = """
def plugrun_open_storage(root):
    import os
    from plugrun.api import Probe
    from plugrun_storage_overlay.storage import OverlayStorage
    mood = os.environ["MOOD"]

    class Moody(OverlayStorage):
        def probe(self):
            if os.path.exists(mood):
                return Probe(True, watch=(mood,))
            return Probe(False, "the moon is full", "wait for another night", watch=(mood,))

    return Moody(root)
"""


@dataclass(frozen=True)
class Several(Plugrun):
    """The command on a root with several profiles; ``of`` is the same with another profile."""

    profile: str = ""

    @property
    def argv(self) -> list[str]:
        own = ["--profile", self.profile] if self.profile else []
        return [*super().argv, *own]

    def of(self, profile: str) -> Several:
        return replace(self, profile=profile)


@dataclass
class Site:
    """A folder of installed distributions, each with one storage."""

    folder: Path

    def install(self, name: str, text: str) -> None:
        info = self._info(name)
        info.mkdir(parents=True)
        head = f"Metadata-Version: 2.1\nName: plugrun-{name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(head)
        point = f"[plugrun.storage.v1]\n{name} = thirdparty_{name}\n"
        (info / "entry_points.txt").write_text(point)
        (self.folder / f"thirdparty_{name}.py").write_text(dedent(text))

    def remove(self, name: str) -> None:
        for file in self._info(name).iterdir():
            file.unlink()
        self._info(name).rmdir()
        os.unlink(self.folder / f"thirdparty_{name}.py")

    def _info(self, name: str) -> Path:
        return self.folder / f"plugrun_{name}-1.0.dist-info"


def write_config(path: Path, **storages: str) -> str:
    """Write profiles, each with this storage; the first is the one in force."""
    profiles = "".join(PROFILE.format(name=name, storage=s) for name, s in storages.items())
    path.write_text(f"profile: {next(iter(storages))}\nprofiles:\n{profiles}")
    return str(path)


def built_in() -> list[str]:
    """Return the storages that the test matrix has a profile for."""
    found = set()
    for path in PROFILES:
        with open(path, encoding="utf-8") as file:
            lines = [line.split(":")[1].strip() for line in file if line.startswith("    storage:")]
        found.update(lines)
    return sorted(found)
