"""Whether overlayfs works on a root's file system: by mounting a trial one.

The trial runs in a forked child with a mount namespace of its own, so that nothing of it is left
when the child ends, however it ends.
"""

from __future__ import annotations

import errno
import os

from plugrun.api import Probe, SnapshotRecords, delete_tree, filesystem, mounting, process

_NAMES = {
    filesystem.OVERLAY_MAGIC: "overlayfs",
    filesystem.NFS_MAGIC: "NFS",
    filesystem.FUSE_MAGIC: "FUSE",
    filesystem.EXT_MAGIC: "ext4",
    filesystem.XFS_MAGIC: "xfs",
    filesystem.BTRFS_MAGIC: "btrfs",
    filesystem.TMPFS_MAGIC: "tmpfs",
}
_ELSEWHERE = "put the data on ext4, xfs, btrfs or tmpfs with --root"
# What the child found, told by its exit code; other codes are an errno.
_WORKS = 0
_NO_FILE_TYPES = 250
_WRONG = 251


def probe(root: str) -> Probe:
    """Try an overlay beneath ``root``: one file from below, one deleted, one written."""
    if os.geteuid() != 0:
        return Probe(False, "mounting overlayfs needs root", "run it as root, with sudo")
    if not _has_overlay():
        return Probe(False, "this kernel has no overlayfs loaded", "modprobe overlay")
    try:
        os.close(SnapshotRecords(root).lock())  # makes the folders
        # A killed one leaves its folder, and PIDs come round again.
        trial = f"{root}/t/probe-{os.getpid()}-{os.urandom(4).hex()}"
        for name in ("lower", "upper", "work", "merged"):
            os.makedirs(f"{trial}/{name}", 0o700)
    except OSError as error:
        return Probe(False, f"{root} cannot be written: {error.strerror}", "choose another --root")
    try:
        code = _in_child(trial)
    finally:
        delete_tree(trial)
    return _explain(root, code)


def _has_overlay() -> bool:
    """Look without loading: the kernel itself loads the module on mount where it may."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if "overlay" in file.read().split():
            return True
    release = os.uname().release
    return os.path.isdir(f"/lib/modules/{release}")


def _in_child(trial: str) -> int:
    pid = os.fork()
    if pid == 0:
        code = _WRONG
        try:
            code = _try(trial)
        except OSError as error:
            code = error.errno or _WRONG
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _try(trial: str) -> int:
    process.unshare(process.CLONE_NEWNS)
    mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
    for name in ("kept", "deleted"):
        os.mkdir(f"{trial}/lower/{name}")
    data = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
    features = "index=off,metacopy=off,redirect_dir=off"
    merged = f"{trial}/merged"
    mounting.mount("overlay", merged, "overlay", 0, f"{data},{features}")
    os.rmdir(f"{merged}/deleted")
    os.mkdir(f"{merged}/made")
    found = sorted(os.listdir(merged))
    if found == ["deleted", "kept", "made"]:
        return _NO_FILE_TYPES
    return _WORKS if found == ["kept", "made"] else _WRONG


def _explain(root: str, code: int) -> Probe:
    magic = filesystem.filesystem_magic(root)
    kind = _NAMES.get(magic, f"a file system of type {magic:#x}")
    details = (("file system", kind), ("kernel", os.uname().release))
    if code == _WORKS:
        return Probe(True, details=details)
    reason, remedy = _reason(kind, root, code)
    return Probe(False, reason, remedy, details)


def _reason(kind: str, root: str, code: int) -> tuple[str, str]:
    if code == errno.ENODEV:
        return "this kernel has no overlayfs", "modprobe overlay"
    if code in (errno.EPERM, errno.EACCES):
        return "this process may not mount", "run it as root with CAP_SYS_ADMIN (not in a sandbox)"
    if code == _NO_FILE_TYPES:
        fault = f"{root} is on {kind} that keeps no file types in folders (d_type)"
        return fault, f"make it anew (xfs: mkfs.xfs -n ftype=1), or {_ELSEWHERE}"
    if kind in ("overlayfs", "NFS", "FUSE") or code == errno.EINVAL:
        return f"{root} is on {kind}, which overlayfs cannot write its upper layer to", _ELSEWHERE
    if code == _WRONG or code < 0:
        return f"a trial overlay on {kind} at {root} went wrong", _ELSEWHERE
    fault = f"a trial overlay on {kind} at {root} failed: {os.strerror(code)}"
    return fault, "plugrun system info says more; dmesg has the kernel's reason"
