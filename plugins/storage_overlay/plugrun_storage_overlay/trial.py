"""Whether overlayfs works on a root's file system: by mounting a trial one.

The trial runs in a forked child with a mount namespace of its own, so that nothing of it is left
when the child ends, however it ends. What it found out is a word, and what the kernel said.
"""

from __future__ import annotations

import errno
import os

from plugrun.api import (
    PlugrunError,
    Probe,
    SnapshotRecords,
    delete_tree,
    mountinfo,
    mounting,
    overlay,
    process,
)

from plugrun_storage_overlay import marking
from plugrun_storage_overlay.storage import options_of

_ELSEWHERE = "put the data on ext4, xfs, btrfs or tmpfs with --root"
_FOLDERS = ("lower", "upper", "work", "merged")
# What the child found out.
WORKS = "works"
NO_OVERLAY = "no overlay"
NO_MOUNTING = "no mounting"
NO_FILE_TYPES = "no file types"
NO_OPAQUE = "no opaque"
REFUSED = "refused"
WRONG = "wrong"

_NAMES = {"overlay": "overlayfs", "nfs": "NFS", "nfs4": "NFS", "vfat": "FAT", "exfat": "exFAT"}
# Why they cannot be beneath, where the kernel's words are for those who know already.
_KNOWN = {
    "overlayfs": "which cannot be the upper layer of another overlay",
    "NFS": "which has neither the attributes nor the renames that overlayfs needs",
    "FUSE": "whose server lacks the attributes or the renames that overlayfs needs",
    "FAT": "which has neither file owners nor attributes",
    "exFAT": "which has neither file owners nor attributes",
}


def probe(root: str) -> Probe:
    """Try an overlay beneath ``root``: files from below, some deleted, some written."""
    if os.geteuid() != 0:
        return Probe(False, "mounting overlayfs needs root", "run it as root, with sudo")
    if not has_overlay():
        return Probe(False, "this kernel has no overlayfs loaded", "modprobe overlay")
    try:
        records = SnapshotRecords(root)
        os.close(records.lock())  # makes the folders
        # A killed one leaves its folder, and PIDs come round again.
        trial = f"{root}/t/probe-{os.getpid()}-{os.urandom(4).hex()}"
        for name in _FOLDERS:
            os.makedirs(f"{trial}/{name}", 0o700)
        style = marking.recorded(root) or marking.usable(trial)
    except PlugrunError as error:
        return Probe(False, error.message, error.hint)
    except OSError as error:
        return _unwritable(root, error)
    try:
        outcome, said = _in_child(trial, style)
    finally:
        delete_tree(trial)
    return explain(root, mountinfo.filesystem_type(root), outcome, said)


def _unwritable(root: str, error: OSError) -> Probe:
    remedy = "choose another --root"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space (plugrun system prune), or choose another --root"
    elif error.errno == errno.EROFS:
        remedy = "mount it read-write, or choose another --root"
    return Probe(False, f"{root} cannot be written: {error.strerror}", remedy)


def has_overlay() -> bool:
    """Look without loading: the kernel itself loads the module on mount where it may."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if "overlay" in file.read().split():
            return True
    release = os.uname().release
    return os.path.isdir(f"/lib/modules/{release}")


def _in_child(trial: str, style: str) -> tuple[str, str]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            os.write(writer, "\n".join(_try(trial, style))[:4000].encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as pipe:
        outcome, _, said = pipe.read().partition("\n")
    os.waitpid(pid, 0)
    return outcome or WRONG, said


def _try(trial: str, style: str) -> tuple[str, str]:
    """Return the outcome and what was said to it."""
    try:
        process.unshare(process.CLONE_NEWNS)
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
    except OSError as error:
        return NO_MOUNTING, error.strerror or ""
    lower, upper, work, merged = (f"{trial}/{name}" for name in _FOLDERS)
    for name in ("kept", "deleted", "renewed/inside"):
        os.makedirs(f"{lower}/{name}")
    place = os.open(merged, os.O_PATH | os.O_CLOEXEC)
    try:
        overlay.mount_overlay(options_of((lower,), upper, work, style), place, merged)
    except PlugrunError as error:
        return _refusal(error)
    try:
        return _look(merged)
    except OSError as error:
        return WRONG, f"{error.strerror} ({error.filename})"


def _refusal(error: PlugrunError) -> tuple[str, str]:
    cause = error.__cause__
    number = cause.errno if isinstance(cause, OSError) else 0
    words = {errno.ENODEV: NO_OVERLAY, errno.EPERM: NO_MOUNTING, errno.EACCES: NO_MOUNTING}
    return words.get(number or 0, REFUSED), error.message.rpartition("refuses the overlay: ")[2]


def _look(merged: str) -> tuple[str, str]:
    os.rmdir(f"{merged}/deleted")
    os.mkdir(f"{merged}/made")
    os.rmdir(f"{merged}/renewed/inside")
    os.rmdir(f"{merged}/renewed")
    os.mkdir(f"{merged}/renewed")
    found = sorted(os.listdir(merged))
    if found == ["deleted", "kept", "made", "renewed"]:
        return NO_FILE_TYPES, ""
    if os.listdir(f"{merged}/renewed"):
        return NO_OPAQUE, ""
    return (WORKS, "") if found == ["kept", "made", "renewed"] else (WRONG, " ".join(found))


def explain(root: str, kind: str, outcome: str, said: str) -> Probe:
    """Say what an outcome on a file system of type ``kind`` means, and what to do about it."""
    name = "FUSE" if kind.startswith("fuse") else _NAMES.get(kind, kind)
    shown = f"FUSE ({kind.partition('.')[2]})" if kind.startswith("fuse.") else name
    details: tuple[tuple[str, str], ...]
    details = (("file system", shown), ("kernel", os.uname().release))
    if outcome == WORKS:
        return Probe(True, details=details)
    reason, remedy = _reason(root, name, shown, outcome, said)
    if said:
        details = (*details, ("kernel's words", said))
    return Probe(False, reason, remedy, details)


def _reason(root: str, name: str, shown: str, outcome: str, said: str) -> tuple[str, str]:
    if outcome == NO_OVERLAY:
        return "this kernel has no overlayfs", "modprobe overlay"
    if outcome == NO_MOUNTING:
        return "this process may not mount", "run it as root with CAP_SYS_ADMIN (not in a sandbox)"
    if outcome == NO_FILE_TYPES:
        fault = f"{root} is on {shown} that keeps no file types in folders (d_type)"
        return fault, f"make it anew (xfs: mkfs.xfs -n ftype=1), or {_ELSEWHERE}"
    if name in _KNOWN:
        return f"{root} is on {shown}, {_KNOWN[name]}", _ELSEWHERE
    if outcome == NO_OPAQUE:
        return f"{root} is on {shown} without extended attributes for overlayfs", _ELSEWHERE
    because = f": {said}" if said else ""
    if outcome == REFUSED:
        return f"{root} is on {shown}, on which overlayfs is refused{because}", _ELSEWHERE
    return f"a trial overlay on {shown} at {root} went wrong{because}", _ELSEWHERE
