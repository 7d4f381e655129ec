"""Whether this machine can use a root: by making an image there and mounting it beneath an overlay.

The trial runs in a forked child with a mount namespace of its own: nothing of it is left when the
child ends, however it ends.
"""

from __future__ import annotations

import os

from plugrun.api import (
    Mount,
    PlugrunError,
    Probe,
    attach,
    delete_tree,
    mounting,
    process,
)

from plugrun_erofs.image import write_image

_TEXT = "on trial"


def probe(storage):
    """Try it with a storage's own way of mounting."""
    if os.geteuid() != 0:
        return Probe(False, "mounting images needs root", "run it as root, with sudo")
    missing = [kind for kind in ("erofs", "overlay") if not _knows(kind)]
    if missing:
        words = " and ".join(missing)
        return Probe(False, f"this kernel has no {words}", f"modprobe {' '.join(missing)}")
    try:
        os.close(storage.records.lock())  # makes the folders
        trial = f"{storage.root}/t/probe-{os.getpid()}-{os.urandom(4).hex()}"
        for name in ("tree/folder", "upper", "work", "merged"):
            os.makedirs(f"{trial}/{name}", 0o700)
    except OSError as error:
        reason = f"{storage.root} cannot be written: {error.strerror}"
        return Probe(False, reason, "choose another --root")
    try:
        said = _in_child(storage, trial)
    finally:
        delete_tree(trial)
    if not said:
        return Probe(True, details=(("kernel", os.uname().release),))
    reason, _, hint = said.partition("\n")
    return Probe(False, reason, hint or "use the storage fuse or cow here")


def _knows(kind):
    """Look without loading: the kernel loads the module by itself where it may."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if kind in file.read().split():
            return True
    return os.path.isdir(f"/lib/modules/{os.uname().release}")


def _in_child(storage, trial):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            os.write(writer, _try(storage, trial).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said.removeprefix("works") if said.startswith("works") else said or "the trial broke off"


def _try(storage, trial):
    try:
        with open(f"{trial}/tree/folder/file", "w", encoding="ascii") as file:
            file.write(_TEXT)
        os.setxattr(f"{trial}/upper", "trusted.plugrun.trial", b"")
        write_image(f"{trial}/tree", f"{trial}/image")
        process.unshare(process.CLONE_NEWNS)
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        union = storage.union((f"{trial}/image",), f"{trial}/upper", f"{trial}/work")
        return _look(union, f"{trial}/merged")
    except PlugrunError as error:
        return f"{error.message}\n{error.hint}"
    except OSError as error:
        return f"a trial at {storage.root} failed: {error.strerror} ({error.filename})"


def _look(union: Mount, merged):
    with attach.ReadyMounts((union,)) as ready:
        ready.perform(merged)
    with open(f"{merged}/folder/file", "r+", encoding="ascii") as file:
        if file.read() != _TEXT:
            return "a trial image does not hold what was put into it"
        file.write("!")
    return "works"
