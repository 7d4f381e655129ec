"""The runtime's program: found, and called for one verb at a time.

What is asked of it is what its command line has had since runc 1.0: ``--root``, ``--log`` and
``--log-format json`` before the verb (github.com/opencontainers/runtime-tools,
docs/command-line-interface.md, and what engines have come to rely on).
"""

from __future__ import annotations

# ``signal`` would load ``enum``; its C half has all that is needed.
import _signal  # type: ignore[import-not-found]
import fcntl
import os

from plugrun.api import (
    BackendUnavailable,
    IsolationError,
    PlugrunError,
    libc,
    loads,
    process,
    record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugrun.api import Stdio

# Where an ordinary user's PATH does not look.
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What Debian and Ubuntu have packages of.
_PACKAGED = ("runc", "crun")
_SIGKILL = 9
_MOST = 1 << 20  # bytes of an answer that are read
_CLOSE_RANGE_CLOEXEC = 4


class Refusal(Exception):
    """The runtime has not done what it was asked for; ``reason`` is in its own words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@record
class Runtime:
    """A program, what it is told before each verb, and the folder of its own state."""

    name: str
    arguments: tuple[str, ...]
    root: str

    def candidates(self) -> tuple[str, ...]:
        """Return the paths at which the program may be, the first first."""
        if "/" in self.name:
            return (self.name,)
        folders = dict.fromkeys((*os.environ.get("PATH", "").split(":"), *_SYSTEM.split(":")))
        return tuple(os.path.join(folder, self.name) for folder in folders if folder)

    def find(self) -> str:
        """Return the program's path; BackendUnavailable if it is not installed."""
        for path in self.candidates():
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
        if "/" in self.name:
            raise BackendUnavailable(
                f"there is no OCI runtime {self.name} that can be executed",
                hint="name one that is installed: options.isolation.oci.runtime of the profile",
            )
        other = "install it, or name another: options.isolation.oci.runtime of the profile"
        raise BackendUnavailable(
            f"the OCI runtime {self.name} is not installed",
            hint=f"apt install {self.name}" if self.name in _PACKAGED else other,
        )

    def wants_ids_of_joined(self) -> bool:
        """Whether a user namespace that is joined must come with its mapping: before spec 1.2.

        Since then config-linux.md says that it comes without one, and runc refuses both.
        """
        for line in self.ask("--version").decode("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            numbers = value.strip().split(".")[:2]
            if key == "spec" and all(number.isdecimal() for number in numbers):
                return tuple(map(int, numbers)) < (1, 2)
        return False

    def ask(self, *words: str) -> bytes:
        """Call a verb that has an answer; return what it prints."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            call = Call(self, words, output=writer)
        finally:
            os.close(writer)
        try:
            answer = b""
            while len(answer) < _MOST and (part := os.read(reader, 65536)):
                answer += part
        finally:
            os.close(reader)
            call.finish()
        return answer

    def tell(self, *words: str) -> None:
        """Call a verb that has no answer."""
        Call(self, words).finish()


class Call:
    """One call of the runtime on its way; Refusal or PlugrunError at ``finish`` if it fails.

    It dies with the thread that makes it. ``stdio`` becomes its 0, 1 and 2, else they are
    /dev/null, ``output`` and a file of what it has to say. ``prepare`` is run in the new process;
    it waits for ``go`` first if ``held``.
    """

    def __init__(
        self,
        runtime: Runtime,
        words: Sequence[str],
        *,
        stdio: Stdio | None = None,
        output: int = -1,
        prepare: Callable[[], None] | None = None,
        held: bool = False,
    ) -> None:
        self._runtime = runtime
        self._verb = words[0]
        program = runtime.find()
        self._log = _log_file("log")
        self._said = _log_file("said")
        own = ("--root", runtime.root, "--log", path_of(self._log), "--log-format", "json")
        argv = (program, *runtime.arguments, *own, *words)
        self._report, report = os.pipe2(os.O_CLOEXEC)
        gate, self._gate = os.pipe2(os.O_CLOEXEC)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        streams = (null, output if output >= 0 else null, self._said)
        if stdio is not None:
            streams = (stdio.stdin, stdio.stdout, stdio.stderr)
        self._before = _children() if stdio is not None else None
        try:
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._gate)
                _become(program, argv, streams, report, gate if held else -1, prepare)
        finally:
            for fd in (report, gate, null):
                os.close(fd)

    def go(self) -> None:
        """Let a held call go on."""
        try:
            os.write(self._gate, b"\n")
        except BrokenPipeError:
            return  # it has died, and its end says how

    def give_up(self) -> None:
        """End a held call that is not to go on."""
        try:
            self.finish()
        except (Refusal, PlugrunError):
            return

    def finish(self) -> None:
        """Wait for the end; raise what kept the program from running, or its own refusal."""
        os.close(self._gate)
        try:
            failed = _read_to_end(self._report)
            code = reap(self.pid)
            if failed:
                raise _failure(failed)
            if code != 0:
                self._end_left()
                raise Refusal(self._reason(code))
        finally:
            for fd in (self._report, self._log, self._said):
                os.close(fd)

    def _end_left(self) -> None:
        """Reap what a call that failed has left to this process as a subreaper.

        A zombie of a container's PID namespace would keep its init from ending (crun exec of a
        command that is missing leaves one).
        """
        if self._before is None:
            return  # one that makes no process of a container's
        for pid in _children() - self._before:
            os.kill(pid, _SIGKILL)
            reap(pid)

    def _reason(self, code: int) -> str:
        logged = [_message(line) for line in _content(self._log).splitlines()]
        said = _content(self._said).splitlines()
        told = [text for text in (*said, *logged) if text.strip()]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return told[-1].strip() if told else f"{self._verb} {how}, and said nothing"


def _children() -> frozenset[int]:
    with open("/proc/thread-self/children", "rb", 0) as stream:
        return frozenset(map(int, stream.read().split()))


def path_of(fd: int) -> str:
    """Return a path by which another process of this machine opens a descriptor of ours."""
    return f"/proc/{os.getpid()}/fd/{fd}"


def memory_file(name: str, content: bytes) -> int:
    """Return a file without a name that holds ``content``."""
    fd = _log_file(name)
    os.write(fd, content)
    return fd


def _log_file(name: str) -> int:
    # Never one of 0 to 2, which the new process fills anew.
    low = os.memfd_create(f"plugrun-{name}", os.MFD_CLOEXEC)
    fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(low)
    return fd


def _content(fd: int) -> str:
    return os.pread(fd, _MOST, 0).decode("utf-8", "replace")


def _message(line: str) -> str:
    """Return the message of a line of the log, if it tells of an error."""
    try:
        entry = loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or entry.get("level") not in ("error", "fatal", "panic"):
        return ""
    return str(entry.get("msg", ""))


def _become(
    program: str,
    argv: tuple[str, ...],
    streams: Sequence[int],
    report: int,
    gate: int,
    prepare: Callable[[], None] | None,
) -> None:
    act = "beginning a process"
    try:
        process.prctl(process.PR_SET_PDEATHSIG, _SIGKILL)
        report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, 3)
        if gate >= 0 and not os.read(gate, 1):
            os._exit(1)  # the caller is gone, and has not written down who this is
        if prepare is not None:
            act = "preparing the container's root"
            prepare()
        act = "passing on the standard streams"
        for target, copy in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, 3) for fd in streams]):
            os.dup2(copy, target)
        _reset_signals()
        libc.syscall(libc.SYS_CLOSE_RANGE, 3, 0x7FFFFFFF, _CLOSE_RANGE_CLOEXEC)
        act = f"executing {program}"
        os.execve(program, argv, {"PATH": os.environ.get("PATH", os.defpath)})
    except Exception as error:  # noqa: BLE001  (a child must never return to the caller's code)
        _tell(report, *_told(error, act))
    finally:
        os._exit(1)


def _told(error: Exception, doing: str) -> tuple[str, str, str]:
    """Return an error's class, message and hint; of one without words also what was being done."""
    if isinstance(error, PlugrunError):
        return type(error).__name__, error.message, error.hint
    if isinstance(error, OSError):
        reason = (error.strerror or str(error)).lower()
        where = f"{error.filename}: " if error.filename else ""
        return "IsolationError", f"{doing}: {where}{reason}", ""
    return "IsolationError", f"{doing}: {type(error).__name__}: {error}", ""


def _tell(report: int, *parts: str) -> None:
    plain = [part.replace("\0", "?") for part in parts]
    os.write(report, "\0".join(plain).encode("utf-8", "replace"))


def _failure(report: bytes) -> PlugrunError:
    import plugrun.api

    name, message, hint = report.decode("utf-8", "replace").split("\0")
    known = getattr(plugrun.api, name, IsolationError)
    error: PlugrunError = known(message, hint=hint)
    return error


def _reset_signals() -> None:
    """Restore what Python or the caller changed: execve(2) keeps ignored and blocked signals."""
    for number in range(1, _signal.NSIG):
        if number not in (9, 19, 32, 33):  # KILL, STOP and glibc's own
            _signal.signal(number, 0)
    _signal.pthread_sigmask(2, ())  # SIG_SETMASK


def _read_to_end(fd: int) -> bytes:
    found = b""
    while part := os.read(fd, 65536):
        found += part
    return found


def reap(pid: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that ended it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0  # the caller has a handler of SIGCHLD that reaped it
