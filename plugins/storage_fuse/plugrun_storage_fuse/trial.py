"""Whether the union works on a root's file system: by serving a trial one.

The trial runs in a forked child with a mount namespace of its own, so that nothing of it is left
when the child ends, however it ends. The program ends with the mount.
"""

from __future__ import annotations

import os
import stat

from plugrun.api import (
    Mount,
    PlugrunError,
    Probe,
    SnapshotRecords,
    connect,
    delete_tree,
    filesystem,
    mountfd,
    mounting,
    process,
)

from plugrun_storage_fuse.server import argv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Connection

_ELSEWHERE = "put the data on ext4, xfs, btrfs or tmpfs with --root"
_OPAQUE = "trusted.overlay.opaque"
# What the child found, told by its exit code; other codes are an errno.
_WORKS = 0
_WRONG = 251


def probe(root: str) -> Probe:
    """Try a union beneath ``root``: one folder from below, one deleted, one made."""
    if os.geteuid() != 0:
        return Probe(False, "serving a file system needs root", "run it as root, with sudo")
    try:
        os.close(SnapshotRecords(root).lock())  # makes the folders
        # A killed one leaves its folder, and PIDs come round again.
        trial = f"{root}/t/probe-{os.getpid()}-{os.urandom(4).hex()}"
        for name in ("lower/kept", "lower/deleted", "upper", "work", "merged"):
            os.makedirs(f"{trial}/{name}", 0o700)
    except OSError as error:
        return Probe(False, f"{root} cannot be written: {error.strerror}", "choose another --root")
    try:
        return _explained(root, _fault_of_files(trial) or _fault_of_union(trial))
    finally:
        delete_tree(trial)


def _explained(root: str, fault: tuple[str, str] | None) -> Probe:
    magic = filesystem.filesystem_magic(root)
    kind = filesystem.type_name(magic)
    details = (("file system", kind), ("kernel", os.uname().release))
    if fault is None:
        return Probe(True, details=details, watch=_WATCH)
    reason, remedy = fault
    return Probe(False, reason.replace(_PLACE, f"{root}, on {kind},"), remedy, details, _WATCH)


_WATCH = ("/dev/fuse",)
_PLACE = "{place}"  # in a reason, where the root and its file system are to be named


def _fault_of_files(trial: str) -> tuple[str, str] | None:
    """What layers are made of, and not every file system keeps."""
    try:
        os.setxattr(f"{trial}/upper", _OPAQUE, b"y")
        kept = os.getxattr(f"{trial}/upper", _OPAQUE) == b"y"
        os.removexattr(f"{trial}/upper", _OPAQUE)
    except OSError as error:
        return f"{_PLACE} keeps no trusted xattrs: {error.strerror}", _ELSEWHERE
    if not kept:
        return f"{_PLACE} keeps no trusted xattrs", _ELSEWHERE
    try:
        os.mknod(f"{trial}/work/whiteout", stat.S_IFCHR, os.makedev(0, 0))
        os.unlink(f"{trial}/work/whiteout")
    except OSError as error:
        return f"{_PLACE} keeps no device nodes: {error.strerror}", _ELSEWHERE
    return None


def _fault_of_union(trial: str) -> tuple[str, str] | None:
    command = argv((f"{trial}/lower",), f"{trial}/upper", f"{trial}/work")
    try:
        connection = connect(Mount("fuse", "trial", helper=command))
        connection.wait()
    except PlugrunError as error:
        return error.message, error.hint
    try:
        code = _in_child(trial, connection)
    finally:
        connection.close()
    return _reason(code)


def _in_child(trial: str, connection: Connection) -> int:
    pid = os.fork()
    if pid == 0:
        code = _WRONG
        try:
            code = _try(trial, connection)
        except OSError as error:
            code = error.errno or _WRONG
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _try(trial: str, connection: Connection) -> int:
    process.unshare(process.CLONE_NEWNS)
    mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
    merged = f"{trial}/merged"
    place = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mountfd.attach(connection.fd, place, merged)
    os.rmdir(f"{merged}/deleted")
    os.mkdir(f"{merged}/made")
    seen = sorted(os.listdir(merged)) == ["kept", "made"]
    hidden = stat.S_ISCHR(os.lstat(f"{trial}/upper/deleted").st_mode)
    return _WORKS if seen and hidden else _WRONG


def _reason(code: int) -> tuple[str, str] | None:
    if code == _WORKS:
        return None
    if code == _WRONG or code < 0:
        return f"a trial union in {_PLACE} went wrong", _ELSEWHERE
    return f"a trial union in {_PLACE} failed: {os.strerror(code)}", _ELSEWHERE
