"""The last steps of a container's process: user, limits, command, execution."""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from plugrun.api import CommandNotExecutable, CommandNotFound, IsolationError, libc, process

from plugrun_isolation_ns import arch, child
from plugrun_isolation_ns.capabilities import SYS_ADMIN, Kept
from plugrun_isolation_ns.trampoline import STATUS_FD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RLIMITS = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
]
_SECCOMP_SET_MODE_FILTER = 1
_AT_EMPTY_PATH = 0x1000
_UNLIMITED = 2**64 - 1


def set_oom_score(score: int) -> None:
    """Set oom_score_adj; less than the present one needs CAP_SYS_RESOURCE (proc(5))."""
    fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(fd, str(score).encode())
    except PermissionError:
        pass  # the machine's own limit stays: it was not ours to lower
    finally:
        os.close(fd)


def set_rlimits(limits: list[dict[str, Any]]) -> None:
    """Set resource limits, clamped to the present hard ones where they may not be raised."""
    for limit in limits:
        if limit["type"] not in _RLIMITS:
            raise IsolationError(f"{limit['type']} is no resource limit of getrlimit(2)")
        _set_rlimit(_RLIMITS.index(limit["type"]), limit["soft"], limit["hard"])


def _set_rlimit(number: int, soft: int, hard: int) -> None:
    # No limit is all bits (RLIM_INFINITY), and -1 where it was written as a signed number.
    soft, hard = soft & _UNLIMITED, hard & _UNLIMITED
    pair = (ctypes.c_ulong * 2)(min(soft, hard), hard)
    if libc.LIBC.setrlimit(number, pair) == 0:
        return
    present = (ctypes.c_ulong * 2)()
    libc.check(libc.LIBC.getrlimit(number, present), _RLIMITS[number])
    hard = min(hard, present[1])
    pair = (ctypes.c_ulong * 2)(min(soft, hard), hard)
    libc.check(libc.LIBC.setrlimit(number, pair), _RLIMITS[number])


def raise_hard_rlimits(limits: list[dict[str, Any]]) -> None:
    """Raise hard limits as far as this process may; what it then does itself is not limited more.

    For what enters a user namespace, where CAP_SYS_RESOURCE raises nothing: setrlimit(2).
    """
    for limit in limits:
        if limit["type"] not in _RLIMITS:
            continue  # set_rlimits says so
        number = _RLIMITS.index(limit["type"])
        present = (ctypes.c_ulong * 2)()
        libc.check(libc.LIBC.getrlimit(number, present), limit["type"])
        if limit["hard"] & _UNLIMITED > present[1]:
            pair = (ctypes.c_ulong * 2)(present[0], limit["hard"] & _UNLIMITED)
            libc.LIBC.setrlimit(number, pair)  # where it may not, the limit stays


class Launch:
    """A process on its way from root's Python to the image's command."""

    def __init__(self, spec: dict[str, Any], seccomp: bytes, seccomp_flags: int) -> None:
        self._spec = spec
        self._user = spec["user"]
        self._kept = Kept(spec.get("capabilities"))
        self._seccomp = seccomp
        self._seccomp_flags = seccomp_flags
        self._no_new_privs = bool(spec.get("noNewPrivileges"))
        self._cwd = spec.get("cwd") or "/"
        self._entered = False
        self.path = ""

    def become_user(self, *, terminal: bool) -> None:
        """Limits, user and capabilities; only CAP_SYS_ADMIN stays if seccomp needs it later."""
        self._enter_folder_as_root()
        set_rlimits(self._spec.get("rlimits") or [])
        uid, gid = self._user["uid"], self._user["gid"]
        if uid:
            child.give_stdio(uid, terminal=terminal)
        os.umask(self._user.get("umask", 0o022))
        self._kept.drop_bounding()
        process.prctl(process.PR_SET_KEEPCAPS, 1)
        os.setgroups(self._user.get("additionalGids") or [])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        process.prctl(process.PR_SET_KEEPCAPS, 0)
        # seccomp(2) wants no_new_privs or CAP_SYS_ADMIN. A filter goes in last of all, so that
        # it need not allow what happens before.
        needs_admin = bool(self._seccomp) and not self._no_new_privs
        self._kept.apply(SYS_ADMIN if needs_admin else 0)
        self._kept.raise_ambient()
        if self._no_new_privs:
            process.prctl(process.PR_SET_NO_NEW_PRIVS, 1)

    def _enter_folder_as_root(self) -> None:
        """As in Docker, a user may begin in a folder that it could not enter itself."""
        try:
            os.chdir(self._cwd)
            self._entered = True
        except OSError:
            return  # what root may not, the user may, as on NFS; else it fails then

    def enter_folder(self) -> None:
        """Be in the process's working directory; as the user it will be, if root could not go."""
        cwd = self._cwd
        try:
            if not self._entered:
                os.chdir(cwd)
            inside = os.getcwd()
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise IsolationError(f'chdir to cwd ("{cwd}") failed: {reason}') from None
        if not inside.startswith("/"):  # getcwd(3): outside of the root (CVE-2024-21626)
            raise IsolationError(f'chdir to cwd ("{cwd}") failed: it is outside of the container')

    def find(self) -> None:
        """Look the command up as execvp(3) does, in the container's own PATH."""
        args = self._spec.get("args") or []
        if not args or not args[0]:
            raise CommandNotFound("no command specified")
        self.path = find_command(args[0], self._environment("PATH", _DEFAULT_PATH))
        # Here, because what is wrong with them can still be reported.
        self.set_command(self.path, args, self._spec.get("env") or [])

    def set_command(self, path: str, args: list[str], env: list[str]) -> None:
        """Let it be this program that is executed."""
        self._argv = _strings([path, *args])
        self._env = _strings(env)

    def _environment(self, name: str, default: str) -> str:
        for item in self._spec.get("env") or []:
            if item.startswith(name + "="):
                return str(item[len(name) + 1 :])
        return default

    def execute(self, trampoline: int) -> None:
        """Install the filter, and execute the command by way of the trampoline; no return."""
        argv, env = self._argv, self._env
        execveat = arch.number("execveat")
        call = [ctypes.c_long(execveat), ctypes.c_long(trampoline), b"", argv, env]
        if self._seccomp:
            self._install_seccomp()
        libc.LIBC.syscall(*call, ctypes.c_long(_AT_EMPTY_PATH))
        # A filter may refuse execveat where it allows execve.
        libc.LIBC.execve(b"/proc/self/fd/%d" % trampoline, argv, env)
        libc.check(-1, "execve")

    def _install_seccomp(self) -> None:
        # struct sock_fprog: a count and a pointer
        body = ctypes.create_string_buffer(self._seccomp, len(self._seccomp))

        class Program(ctypes.Structure):
            _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

        program = Program(len(self._seccomp) // 8, ctypes.addressof(body))
        flags = self._seccomp_flags
        arch.call("seccomp", _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program))
        if not self._no_new_privs:
            self._kept.apply()


def _strings(items: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    for item in items:
        if "\0" in item:  # execve(2) would silently take what comes before it
            raise IsolationError(f"arguments and environment cannot hold a NUL byte: {item!r}")
    return (ctypes.c_char_p * (len(items) + 1))(*[os.fsencode(item) for item in items])


def find_command(name: str, path: str) -> str:
    """Return the path of a command, or raise what Docker would say."""
    if "/" in name:
        _check(name, name)
        return name
    refused = None
    for folder in path.split(":"):
        candidate = os.path.join(folder or ".", name)
        try:
            _check(candidate, name)
        except CommandNotFound:
            continue
        except CommandNotExecutable as error:
            refused = refused or error
        else:
            return candidate
    if refused is not None:
        raise refused
    raise CommandNotFound(f'exec: "{name}": executable file not found in $PATH')


def _check(path: str, name: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        reason = (error.strerror or "").lower()
        if error.errno == errno.ENOTCONN:
            hint = "the program that served the container's files has ended: restart the container"
            raise CommandNotExecutable(f'exec: "{name}": {reason}', hint=hint) from None
        if error.errno == errno.EACCES:
            raise CommandNotExecutable(f'exec: "{name}": {reason}') from None
        raise CommandNotFound(f'exec: "{name}": stat {path}: {reason}') from None
    if stat.S_ISDIR(mode):
        raise CommandNotExecutable(f'exec: "{name}": is a directory')
    if not os.access(path, os.X_OK):
        raise CommandNotExecutable(f'exec: "{name}": permission denied')


def execution_error(number: int, name: str) -> IsolationError:
    """Return the exception for what execve(2) answered."""
    text = f"exec {name}: {os.strerror(number).lower()}"
    if number == errno.ENOENT:
        return CommandNotFound(text)
    return CommandNotExecutable(text)


def status_fd(preserved: Sequence[int]) -> int:
    """Return where the trampoline finds the status pipe: behind what the command keeps."""
    return STATUS_FD + len(preserved)


def leave_only(status: int, *others: int, preserved: Sequence[int] = ()) -> None:
    """Put the status pipe where the trampoline expects it, and close all that is not needed.

    ``preserved`` become 3 and the following; they and all others lie above those.
    """
    for place, fd in enumerate(preserved):
        os.dup2(fd, STATUS_FD + place)
    last = status_fd(preserved)
    os.dup2(status, last)
    child.close_others(*range(last + 1), *others)
