"""A terminal of a container: the runtime makes it, and a bridge connects it to the caller's.

An OCI runtime makes a process's terminal in the container's own devpts, and hands its master over
by a Unix socket (``--console-socket``; runc's docs/terminals.md). The caller of an isolation has a
terminal already, and gives its replica. ``plugrun_isolation_oci.bridge`` copies between the two,
in a process of its own that ends with either.
"""

from __future__ import annotations

import ctypes
import os
import sys

from plugrun.api import IsolationError, filesystem, process, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Stdio

_NAME = "console"
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1].split(':'); "
    "from plugrun_isolation_oci.bridge import main; main()"
)
_PATIENCE_S = 10.0


class Console:
    """The socket that a runtime hands a master to; to be used with ``with``."""

    def __init__(self, folder: str, stdio: Stdio, name: str = _NAME) -> None:
        import _socket

        from plugrun_isolation_oci.bridge import make_raw

        # What is typed from now on is echoed by the container's terminal alone.
        make_raw(stdio.stdin)
        self._path = f"{folder}/{name}"
        filesystem.unlink(self._path)
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # A name that fits the 108 bytes of sun_path (unix(7)), for other processes too.
        self.address = f"/proc/{os.getpid()}/fd/{self._folder}/{name}"
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._socket.bind(self.address)
        self._socket.listen(1)

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        os.close(self._folder)
        filesystem.unlink(self._path)

    def connect(self, stdio: Stdio) -> None:
        """Take the master, which has been sent, and bridge it with the caller's terminal."""
        master = self._receive()
        try:
            size = terminal.window_size(stdio.stdin)
            if size is not None:
                terminal.set_window_size(master, *size)
            _start_bridge(master, stdio.stdin)
        finally:
            os.close(master)

    def _receive(self) -> int:
        import _socket

        self._socket.settimeout(_PATIENCE_S)
        try:
            accepted: int = self._socket._accept()[0]  # type: ignore[attr-defined]
            connection = _socket.socket(fileno=accepted)
            try:
                connection.settimeout(_PATIENCE_S)
                _, messages, _, _ = connection.recvmsg(4096, 64, _socket.MSG_CMSG_CLOEXEC)
            finally:
                connection.close()
        except OSError as error:
            raise IsolationError(f"the runtime hands no terminal over: {error}") from None
        for level, kind, data in messages:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                return int.from_bytes(data[:4], sys.byteorder)
        raise IsolationError("the runtime hands over something that is no terminal")


def _start_bridge(master: int, replica: int) -> None:
    """Start the bridge as an orphan: it is not the caller's to reap, who may be a subreaper."""
    reaping = ctypes.c_int()
    process.prctl(process.PR_GET_CHILD_SUBREAPER, ctypes.addressof(reaping))
    if reaping.value:
        process.prctl(process.PR_SET_CHILD_SUBREAPER, 0)
    try:
        between = os.fork()
        if between == 0:
            try:
                _spawn_bridge(master, replica)
            finally:
                os._exit(0)
        os.waitpid(between, 0)
    finally:
        if reaping.value:
            process.prctl(process.PR_SET_CHILD_SUBREAPER, 1)


def _spawn_bridge(master: int, replica: int) -> None:
    import fcntl

    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for target, fd in enumerate([fcntl.fcntl(one, fcntl.F_DUPFD, 3) for one in (master, replica)]):
        os.dup2(fd, target)
    os.dup2(null, 2)
    process.close_range(3)
    path = ":".join(entry for entry in sys.path if entry)
    argv = (sys.executable, "-I", "-S", "-c", _PROGRAM, path)
    signals = [number for number in range(1, 65) if number not in (9, 19, 32, 33)]
    os.posix_spawn(argv[0], argv, {}, setsigmask=(), setsigdef=signals, setsid=True)
