"""A process that is root of a user namespace only, as tests need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from plugrun.linux import mounting, process
from plugrun.testing.forked import in_child

T = TypeVar("T")


def as_mapped_root(act: Callable[[], T], *, mounts: bool = True) -> T:
    """Call a function in a child that is root in a user namespace of its own.

    It has a mount namespace there too, so that it may mount, unless ``mounts`` is false.
    """

    def go() -> T:
        process.unshare(process.CLONE_NEWUSER | (process.CLONE_NEWNS if mounts else 0))
        for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        if mounts:
            mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        return act()

    return in_child(go)
