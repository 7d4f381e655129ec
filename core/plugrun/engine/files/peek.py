"""Look into a snapshot from a mount namespace of its own, so that no mount can be left behind."""

from __future__ import annotations

import os

from plugrun.errors import PlugrunError
from plugrun.linux.attach import ReadyMounts
from plugrun.linux.filesystem import make_private
from plugrun.linux.mounting import MS_PRIVATE, MS_REC, mount
from plugrun.linux.process import CLONE_NEWNS, unshare
from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugrun.model.mount import Mount


def inside_tree(mounts: Sequence[Mount], place: str, look: Callable[[int], bytes]) -> bytes:
    """Call ``look`` with a descriptor of the tree, in a child; return what it returns.

    The tree is mounted on the folder ``place``, which only the child sees.
    """
    make_private(place)
    with ReadyMounts(mounts) as ready:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        child = os.fork()
        if child == 0:
            _child(ready, place, look, writer)
        os.close(writer)
    try:
        with open(reader, "rb") as pipe:
            found = pipe.read()
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        why = found.decode("utf-8", "replace") or f"the reader ended with {code}"
        raise PlugrunError(f"cannot read the image's tree: {why}")
    return found


def _child(ready: ReadyMounts, place: str, look: Callable[[int], bytes], writer: int) -> None:
    code = 1
    try:
        unshare(CLONE_NEWNS)
        mount("", "/", "", MS_REC | MS_PRIVATE)
        ready.perform(place)
        root = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        write_all(writer, look(root))
        code = 0
    except Exception as error:  # noqa: BLE001  (a forked child must end here, whatever happens)
        write_all(writer, str(error).encode("utf-8", "replace"))
    finally:
        os._exit(code)
