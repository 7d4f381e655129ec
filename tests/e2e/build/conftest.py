"""Builds of small contexts, over images made of this machine's own programs."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import PROFILES, Plugrun, fresh_root, profile_named

CHANGING = ("RUN", "COPY", "ADD", "WORKDIR")
BASE = "host:sh,cat,ls,sleep,id,env,touch,mkdir,stat,rm,chmod,mknod"


@dataclass(frozen=True)
class Workshop:
    """A context, and the command that builds it."""

    plugrun: Plugrun
    context: Path

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def build(self, dockerfile: str, *args: str, code: int = 0, env: dict | None = None):
        """Build a Dockerfile in this context; ``BASE`` stands for the base image."""
        text = textwrap.dedent(dockerfile).replace("BASE", BASE)
        words = ("build", "--progress", "plain", "-f", "-", *args, str(self.context))
        return self.plugrun(*words, input=text, code=code, env=env)

    def image(self, dockerfile: str, *args: str, env: dict | None = None) -> str:
        """Build it and return the image's ID."""
        return self.build(dockerfile, "-q", *args, env=env).stdout.strip()

    def run(self, image: str, *args: str) -> str:
        return self.plugrun.out("run", "--rm", image, *args)

    def marks(self) -> list[str]:
        """What builds say they are at work on."""
        return os.listdir(f"{self.plugrun.root}/build/active")


@pytest.fixture(scope="session")
def overlay() -> Iterator[Plugrun]:
    """A root with kernel overlayfs, for what is the same on every storage."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    [config] = [path for path in PROFILES if profile_named(path) == "overlay-ns"]
    with fresh_root(config) as tool:
        yield tool


@pytest.fixture(scope="session")
def shared(cell: str) -> Iterator[Plugrun]:
    """A root apart from that of other tests: images that builds leave are in nobody's listing."""
    with fresh_root(cell) as tool:
        yield tool


@pytest.fixture
def workshop(plugrun: Plugrun, tmp_path: Path) -> Workshop:
    return Workshop(plugrun, tmp_path)


@pytest.fixture
def lone_workshop(alone: Plugrun, tmp_path: Path) -> Workshop:
    return Workshop(alone, tmp_path)


Steps = Callable[[str], dict[str, str]]


@pytest.fixture
def ends() -> Steps:
    """Return how each step of a plain progress ended, by its text."""

    def read(text: str) -> dict[str, str]:
        names: dict[str, str] = {}
        found: dict[str, str] = {}
        for line in text.splitlines():
            number, _, rest = line.partition(" ")
            if number not in names:
                names[number] = rest.partition("] ")[2]
            elif names[number].startswith(CHANGING) and rest.startswith(
                ("CACHED", "DONE", "ERROR", "CANCELED")
            ):
                found[names[number]] = rest.split()[0].rstrip(":")
        return found

    return read
