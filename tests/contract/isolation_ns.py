"""The backend `ns`, opened for a test: its cgroups in a parent of this process's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import chain

from plugrun.interfaces.isolation import Isolation
from plugrun_isolation_ns.cgroups import hierarchies
from plugrun_isolation_ns.plugin import plugrun_open_isolation

PARENT = f"plugrun-contract-{os.getpid()}"


def cgroup_folders(path: str) -> list[str]:
    folders = [hierarchy.mountpoint + path for hierarchy in hierarchies()]
    return [folder for folder in folders if os.path.isdir(folder)]


@contextlib.contextmanager
def opened(state: str) -> Iterator[Isolation]:
    """Yield the backend; groups that it left are a failure."""
    yield plugrun_open_isolation(state, {"cgroup_parent": PARENT})
    parents = cgroup_folders(f"/{PARENT}")
    left = [entry.path for entry in chain(*map(os.scandir, parents)) if entry.is_dir()]
    assert left == []
    for folder in parents:
        os.rmdir(folder)
