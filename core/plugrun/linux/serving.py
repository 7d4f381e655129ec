"""Mounts that a program serves over /dev/fuse (fuse(4), Documentation/filesystems/fuse.rst).

The mount is made detached, by fsopen(2) and fsmount(2), and attached wherever its descriptor is
taken. So the program lives exactly as long as the mount: when the last copy of it goes, in
whatever namespace, or when whoever was to attach it dies, the kernel ends the connection, read(2)
on it gives ENODEV, and the program ends. The other way round, when the program dies, whatever
uses the mount gets ENOTCONN.

A program that cannot serve says why on stderr and ends. If its last line is ``Class: reason``, and
maybe another ``hint: …`` follows, where the class is Corrupt, NoSpace or CannotMount, that is what
is raised; anything else is quoted.

This holds because nobody else has the connection's descriptor, and because the program is outside
of all namespaces that the mount may go to: connect before you enter any.
"""

from __future__ import annotations

import ctypes
import errno
import os

from plugrun.errors import BackendUnavailable, CannotMount, Corrupt, NoSpace, PlugrunError
from plugrun.linux import mountfd, mounting
from plugrun.linux.fscontext import FsContext
from plugrun.linux.orphan import above, spawn_orphan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.mount import Mount

DEVICE = "/dev/fuse"
# One more argument for the helper of a mount that has ``Mount.ids``.
WITH_IDS = "with-ids"
_TOLD = (CannotMount, Corrupt, NoSpace)
_HINT = "hint: "
_LOG_SIZE = 16384  # bytes of what the program says on stderr that are kept
_F_ADD_SEALS, _F_SEAL_GROW = 1033, 0x4
# What the kernel reads ahead at most, in KiB. By itself it stays at 128 for FUSE, and each piece
# is a request.
_READ_AHEAD = 512
_AT_STATX_DONT_SYNC, _AT_EMPTY_PATH = 0x4000, 0x1000
_STATX_DEV = 136  # where struct statx has its device, major and minor
_NO_SERVER = (errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED)


class Connection:
    """A mount that is served, and attached nowhere yet; ``fd`` is its descriptor.

    Until it is attached it goes, and the program with it, when ``fd`` is closed.
    """

    def __init__(self, mount: Mount, fd: int, log: int) -> None:
        self.fd = fd  # above 2, which a container's process fills anew
        self._mount = mount
        self._log = log

    def wait(self) -> None:
        """Return when the program answers; raise PlugrunError, quoting it, if it has ended."""
        fault = self.fault()
        if fault is not None:
            self.close()
            raise fault

    def fault(self) -> PlugrunError | None:
        """Return what is wrong if the program has ended; waits for one that is just starting."""
        if self.fd < 0:
            return None
        try:
            os.fstatvfs(self.fd)
        except OSError as error:
            if error.errno in _NO_SERVER:
                return self._ended()
        return None

    def _ended(self) -> PlugrunError:
        said = os.pread(self._log, _LOG_SIZE, 0).rstrip(b"\0").decode("utf-8", "replace")
        lines = said.strip().splitlines() or ["it said nothing"]
        hint = lines.pop().removeprefix(_HINT) if lines[-1].startswith(_HINT) else ""
        name, _, reason = (lines.pop() if lines else "it said nothing").partition(": ")
        for known in _TOLD:
            if known.__name__ == name:
                return known(reason, hint=hint)
        program = " ".join(self._mount.helper[:6])
        why = f"{name}: {reason}" if reason else name
        return PlugrunError(
            f"the program that serves the {self._mount.source} file system ended: {why}",
            hint="\n".join([f"it was {program}", *lines]),
        )

    def close(self) -> None:
        """Let go of the mount: it lives on where it is attached."""
        for fd in (self.fd, self._log):
            if fd >= 0:
                os.close(fd)
        self.fd = self._log = -1


def connect(mount: Mount) -> Connection:
    """Make a mount whose ``helper`` serves it, and start that program; do not wait for it.

    The program gets the connection as descriptor 0, a file for what it has to say as 1 and 2, a
    session of its own, this process's namespaces and cgroups, and nothing else. It is no child of
    this process, which is left as it was. This process must have one thread. Raise
    BackendUnavailable where the machine has no FUSE, CannotMount if it refuses the mount.
    """
    device = _open_device()
    log = -1
    try:
        fd = _detached_mount(mount, device)
        try:
            log = _make_log()
            argv = mount.helper if mount.ids is None else (*mount.helper, WITH_IDS)
            spawn_orphan(argv, (device, log, log))
        except BaseException:
            os.close(fd)
            raise
    except BaseException:
        if log >= 0:
            os.close(log)
        raise
    finally:
        # The program's alone: it would not be missed if another had it, too.
        os.close(device)
    return Connection(mount, fd, log)


def _open_device() -> int:
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        reason, hint = _device_fault(error)
        raise BackendUnavailable(reason, hint=hint) from None


def _device_fault(error: OSError) -> tuple[str, str]:
    if error.errno == errno.ENOENT:
        hint = "modprobe fuse; inside a container, give it the device: --device /dev/fuse"
        return f"there is no {DEVICE}", hint
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return f"{DEVICE} is there, but this kernel has no FUSE", "modprobe fuse"
    hint = "run it as root; inside a container, give it the device: --device /dev/fuse"
    return f"{DEVICE} cannot be opened: {error.strerror}", hint


def _detached_mount(mount: Mount, device: int) -> int:
    flags, _, _, data = mounting.parse_options(mount.options)
    if data:
        raise PlugrunError(f"a mount with a helper has no option {data}")
    try:
        context = FsContext("fuse")
    except OSError as error:
        raise _refused(error, "") from None
    with context:
        try:
            _configure(context, mount.source, device, readonly=bool(flags & mounting.MS_RDONLY))
            made = context.mount(mountfd.attributes(flags))
        except OSError as error:
            raise _refused(error, context.said()) from None
    [fd] = above(2, made)
    os.close(made)
    _read_ahead(fd)
    return fd


def _read_ahead(mount: int) -> None:
    """Let the kernel ask for larger pieces; where it cannot be told so, smaller ones do."""
    from plugrun.linux.libc import LIBC

    found = ctypes.create_string_buffer(256)
    # Nobody answers for the mount yet, so it must be what the kernel knows by itself.
    flags = _AT_EMPTY_PATH | _AT_STATX_DONT_SYNC
    if LIBC.statx(mount, b"", flags, 0, found) != 0:
        return
    numbers = memoryview(found)[_STATX_DEV : _STATX_DEV + 8].cast("B").cast("I")
    major, minor = numbers
    try:
        fd = os.open(f"/sys/class/bdi/{major}:{minor}/read_ahead_kb", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, str(_READ_AHEAD).encode())
    finally:
        os.close(fd)


def _configure(context: FsContext, source: str, device: int, *, readonly: bool) -> None:
    values = {
        "source": source,
        "subtype": "plugrun",
        "fd": str(device),
        "rootmode": f"{0o40755:o}",  # a folder; the permission bits come with the first look
        "user_id": "0",
        "group_id": "0",
    }
    for name, value in values.items():
        context.string(name, value)
    for name in ("allow_other", "default_permissions", *(("ro",) if readonly else ())):
        context.flag(name)


def _refused(error: OSError, said: str) -> PlugrunError:
    if error.errno == errno.ENODEV:
        return BackendUnavailable("this kernel has no FUSE", hint="modprobe fuse")
    if error.errno in (errno.EPERM, errno.EACCES):
        hint = "run it as root with CAP_SYS_ADMIN (not in a sandbox)"
        return BackendUnavailable("this process may not mount", hint=hint)
    words = said or (error.strerror or "").lower()
    return CannotMount(f"the kernel refuses the FUSE file system: {words}", hint="see dmesg")


def _make_log() -> int:
    """Make a file of limited size without a name: a program that complains for years fills it."""
    import fcntl

    fd = os.memfd_create("plugrun-helper", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, _LOG_SIZE)
    fcntl.fcntl(fd, _F_ADD_SEALS, _F_SEAL_GROW)
    return fd
