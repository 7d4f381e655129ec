"""What a root's file system can keep, and how trees are copied on it: found by trying."""

from __future__ import annotations

import os
import stat

from plugrun.api import Conflict, Probe, SnapshotRecords, contents, delete_tree, filesystem

from plugrun_storage_cow.subvolumes import destroy_subvolume, make_subvolume, snapshot_subvolume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ELSEWHERE = "put the data on btrfs, xfs or ext4 with --root"
_QUICKER = "btrfs (snapshots) and xfs (reflinks)"
_MOMENT = 1_234_567_890_123_456_789  # nanoseconds
_OWNER = 65534


def probe(root: str) -> Probe:
    """Try, beneath ``root``, all that images' files have."""
    if os.geteuid() != 0:
        return Probe(False, "files of many owners need root", "run it as root, with sudo")
    try:
        os.close(SnapshotRecords(root).lock())  # makes the folders
        # A killed one leaves its folder, and PIDs come round again.
        trial = f"{root}/t/probe-{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(trial, 0o700)
    except OSError as error:
        return Probe(False, f"{root} cannot be written: {error.strerror}", "choose another --root")
    try:
        return _try(root, trial)
    finally:
        delete_tree(trial)


def _try(root: str, trial: str) -> Probe:
    magic = filesystem.filesystem_magic(root)
    kind = filesystem.type_name(magic)
    details: tuple[tuple[str, str], ...] = (("file system", kind),)
    for what, attempt in _TRIALS:
        try:
            reason = "" if attempt(trial) else "it did not keep them"
        except OSError as error:
            reason = error.strerror or str(error)
        if reason:
            fault = f"{root} is on {kind}, which cannot hold {what}: {reason}"
            return Probe(False, fault, _ELSEWHERE, details)
    flags = os.statvfs(root).f_flag
    for flag, word in ((os.ST_NOEXEC, "noexec"), (os.ST_NOSUID, "nosuid")):
        if flags & flag:
            fault = f"{root} is mounted {word}, and containers on it would be too"
            return Probe(False, fault, f"mount it without {word}, or {_ELSEWHERE}", details)
    if flags & os.ST_NODEV:
        details += (("devices", "those in images do not work here (mounted nodev)"),)
    way = _way(magic, trial)
    details += (("copies", way),)
    if way != _SNAPSHOTS:
        details += (("quicker on", _QUICKER),)
    return Probe(True, details=details)


_SNAPSHOTS = "subvolume snapshots"
_SHARED = "file by file with shared contents (FICLONE)"
_WHOLE = "every byte of every file (copy_file_range)"


def _way(magic: int, trial: str) -> str:
    if magic == filesystem.BTRFS_MAGIC and _snapshots(trial):
        return _SNAPSHOTS
    return _SHARED if _shares(trial) else _WHOLE


def _snapshots(trial: str) -> bool:
    try:
        make_subvolume(f"{trial}/one")
        snapshot_subvolume(f"{trial}/one", f"{trial}/two")
        for name in ("one", "two"):
            destroy_subvolume(f"{trial}/{name}")
    except (OSError, Conflict):
        return False
    return True


def _shares(trial: str) -> bool:
    fds = [os.open(f"{trial}/{n}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for n in "ab"]
    try:
        os.write(fds[0], b"x")
        return contents.share_content(*fds) is True
    finally:
        for fd in fds:
            os.close(fd)


# -- one trial a kind of thing; each returns whether it was kept -----------------------------


def _owners(trial: str) -> bool:
    path = f"{trial}/file"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.chown(path, _OWNER, _OWNER)
    os.chmod(path, 0o4751)
    state = os.stat(path)
    return (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (_OWNER, _OWNER, 0o4751)


def _names(trial: str) -> bool:
    os.mkdir(f"{trial}/Case")
    os.mkdir(f"{trial}/case")
    os.mkdir(os.fsencode(trial) + b"/\xff:\\*?")
    return True


def _times(trial: str) -> bool:
    os.utime(f"{trial}/file", ns=(_MOMENT, _MOMENT))
    return os.stat(f"{trial}/file").st_mtime_ns == _MOMENT


def _links(trial: str) -> bool:
    os.link(f"{trial}/file", f"{trial}/linked")
    os.symlink("file", f"{trial}/symlink")
    return os.stat(f"{trial}/file").st_nlink == 2


def _devices(trial: str) -> bool:
    os.mknod(f"{trial}/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mkfifo(f"{trial}/fifo")
    return os.stat(f"{trial}/null").st_rdev == os.makedev(1, 3)


def _xattrs(trial: str) -> bool:
    os.setxattr(f"{trial}/file", "trusted.plugrun", b"\0\xff")
    return os.getxattr(f"{trial}/file", "trusted.plugrun") == b"\0\xff"


_TRIALS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("owners and modes", _owners),
    ("names as Linux has them", _names),
    ("hard links and symlinks", _links),
    ("devices", _devices),
    ("extended attributes", _xattrs),
    ("times to the nanosecond", _times),
)
