"""A union mounted by hand, as mount(8) would: for the suites, and to look into a snapshot.

::

    python3 standalone.py -o lowerdir=A:B,upperdir=U,workdir=W MOUNTPOINT
    python3 standalone.py A:B U W MOUNTPOINT

It returns once the union is mounted; the server ends with the mount.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DATA = "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"


def mount(lower: Sequence[str], upper: str, work: str, place: str, without: int = 0) -> int:
    """Mount a union and start its server; return that one's process ID.

    ``without`` are flags of INIT not to use, as if this were an older kernel.
    """
    import ctypes

    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        data = _DATA.format(device).encode()
        if libc.mount(b"plugrun", os.fsencode(place), b"fuse.plugrun", 0, data) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), place)
        return _start(device, list(lower), upper, work, without)
    finally:
        os.close(device)


def _start(device: int, lower: list[str], upper: str, work: str, without: int) -> int:
    """Start the server in a session of its own, with the folders as they are named here."""
    from plugrun_storage_fuse.server import argv

    words = list(argv([*map(os.path.abspath, lower)], upper and os.path.abspath(upper), work))
    if upper:
        words[-1] = f"workdir={os.path.abspath(work)}"
    if without:
        words.append(f"without={without}")
    child = os.fork()
    if not child:
        try:
            os.setsid()
            os.dup2(device, 0)
            os.chdir("/")
            os.execv(words[0], words)
        finally:
            os._exit(127)
    return child


def _from_options(text: str) -> tuple[str, str, str]:
    found = dict(word.partition("=")[::2] for word in text.split(","))
    return found["lowerdir"], found.get("upperdir", ""), found.get("workdir", "")


def main(words: list[str]) -> None:
    """Mount what the command line says."""
    if words[0] == "-o":
        lower, upper, work = _from_options(words[1])
    else:
        lower, upper, work = words[:3]
    mount(lower.split(":"), upper, work, words[-1])


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.dirname(os.path.dirname(here)))
    main(sys.argv[1:])
