"""Why the kernel refuses an overlay: by looking at its folders, then in the kernel's own words."""

from __future__ import annotations

import errno
import os

from plugrun.errors import REPAIR, CannotMount, Corrupt, NoSpace, PlugrunError
from plugrun.linux.fscontext import FsContext
from plugrun.linux.overlay import configure, open_folder, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.linux.overlay import Opener

_KMSG = "/dev/kmsg"
_WORDS = {"lowerdir": "layer", "upperdir": "writable layer", "workdir": "work folder"}
_FULL = (errno.ENOSPC, errno.EDQUOT)


def explained(
    options: Sequence[str], error: OSError, opened: Opener, images: str = ""
) -> PlugrunError:
    """Return what to raise for an overlay that could not be mounted.

    Its folders are opened by ``opened``; with ``images`` some are files, which that has looked at.
    """
    folders = [(name, path) for name, path, _ in settings(options) if path]
    for name, path in folders:
        if images and os.path.isfile(path):
            continue
        found = _missing(_WORDS[name], path)
        if found is not None:
            return found
    for name, path in folders:
        if name != "lowerdir":
            found = _unwritable(_WORDS[name], path)
            if found is not None:
                return found
    if error.errno in _FULL:  # there was room for the one file, but not for what the kernel makes
        return _cannot_write("", folders[-1][1], error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return CannotMount(
            f"an overlay of {len(folders)} folders needs more open files than are allowed",
            hint="raise the limit of open files (ulimit -n)",
        )
    words = kernels_words(options, error, opened)
    return CannotMount(f"the kernel refuses the overlay: {words}")


def put_right(options: Sequence[str]) -> bool:
    """Remove what keeps a work folder from being used again; return whether there was anything.

    An overlay that was mounted ``volatile`` leaves empty folders in ``work/incompat``. It is said
    there that the writable layer may not have reached the disk, as that of any container whose
    machine lost power.
    """
    found = False
    for name, path, _ in settings(options):
        incompat = f"{path}/work/incompat"
        if name != "workdir" or not os.path.isdir(incompat):
            continue
        try:
            for feature in os.listdir(incompat):
                os.rmdir(f"{incompat}/{feature}")
            os.rmdir(incompat)
            found = True
        except OSError:
            return False  # not overlayfs's own: the refusal stands, and is explained
    return found


def _missing(word: str, path: str) -> PlugrunError | None:
    """A folder that somebody removed, or put something else in the place of."""
    try:
        os.close(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    except FileNotFoundError:
        return Corrupt(f"the storage is damaged: the {word} {path} is missing", hint=REPAIR)
    except NotADirectoryError:
        return Corrupt(f"the storage is damaged: the {word} {path} is no folder", hint=REPAIR)
    except OSError as error:
        reason = _lower(error.strerror)
        return Corrupt(f"the storage is damaged: the {word} {path}: {reason}", hint=REPAIR)
    return None


def _unwritable(word: str, path: str) -> PlugrunError | None:
    """A folder that overlayfs cannot make its own files in: found out by making one."""
    trial = f"{path}/.plugrun-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.mkdir(trial, 0o700)
        os.rmdir(trial)
    except OSError as error:
        return _cannot_write(word, path, error)
    return None


def _cannot_write(word: str, path: str, error: OSError) -> PlugrunError:
    if error.errno in _FULL:
        return NoSpace(
            f"the file system of {path} is full",
            hint="free some space (plugrun system prune), or use another --root",
        )
    hint = "the kernel's log (dmesg) says more about the device"
    if error.errno == errno.EROFS:
        hint = "mount it read-write, or use another --root"
    elif error.errno == errno.EPERM:
        hint = f"it may be immutable: chattr -ia {path}"
    return CannotMount(f"the {word} {path} cannot be written: {_lower(error.strerror)}", hint=hint)


def kernels_words(options: Sequence[str], error: OSError, opened: Opener = open_folder) -> str:
    """Mount it once more and return what the kernel says to that, or else the error's own words.

    It says some of its reasons to who makes the mount, others in its log only.
    """
    log = _open_log()
    said = ""
    try:
        with FsContext("overlay") as context:
            try:
                if configure(context, options, opened):
                    os.close(context.mount())
            except OSError as again:
                error = again
            said = context.said()
        logged = _logged(log)
    except OSError:
        return _plain(error)
    finally:
        if log >= 0:
            os.close(log)
    return said.removeprefix("overlay: ") or logged or _plain(error)


def _open_log() -> int:
    try:
        log = os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
    os.lseek(log, 0, os.SEEK_END)
    return log


def _logged(log: int) -> str:
    """Return overlayfs's lines since the log was opened (Documentation/ABI/testing/dev-kmsg)."""
    found: list[str] = []
    while log >= 0:
        try:
            record = os.read(log, 8192)
        except BrokenPipeError:
            continue  # records were overwritten: the next one is there
        except OSError:
            break
        text = record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0]
        kind, _, said = text.partition(": ")
        if kind == "overlayfs" and said not in found:
            found.append(said)
    return "; ".join(found)


def _plain(error: OSError) -> str:
    """Words for a reason that the kernel keeps to itself."""
    if error.errno == errno.EINVAL:
        return "it gives no reason (the file system may lack xattrs, or be an overlay itself)"
    if error.errno in (errno.EPERM, errno.EACCES):
        return "this process may not mount (it has no CAP_SYS_ADMIN)"
    if error.errno == errno.ENODEV:
        return "it has no overlayfs (modprobe overlay)"
    return _lower(error.strerror)


def _lower(text: str | None) -> str:
    return (text or "for no reason given").lower()
