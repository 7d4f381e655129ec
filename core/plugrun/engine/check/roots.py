"""Running containers whose root file system answers no more: its server was killed, or hangs."""

from __future__ import annotations

import errno
import os
import select

from plugrun.engine.check.findings import found
from plugrun.engine.containers import status
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.check.findings import Found
    from plugrun.engine.engine import Engine

_PATIENCE_MS = 10_000
_HANGS = errno.ETIMEDOUT
_GONE = (0, errno.ENOENT, errno.ESRCH)


def check_roots(engine: Engine) -> Iterator[Found]:
    """Yield the running containers that cannot read their own root."""
    for container in engine.metadata.each_container():
        pid = status(engine, container).pid
        error = _asked(f"/proc/{pid}/root/.") if pid else 0
        if error in _GONE:  # it answers, or the container has ended meanwhile
            continue
        server = "does not answer" if error == _HANGS else f"is gone ({os.strerror(error).lower()})"
        yield found(
            "container",
            container.name,
            f"what serves its files for storage {container.storage.name} {server}: whatever it "
            "opens fails",
            f"plugrun restart {container.name}; what it wrote is kept",
        )


def _asked(path: str) -> int:
    """Look at a path in a process of its own, which can be given up; return what went wrong."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            os.statvfs(path)  # what no kernel answers from a cache
            code = 0
        except OSError as error:
            code = error.errno or code
        finally:
            os._exit(code)
    fd = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if poll.poll(_PATIENCE_MS):
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        # It may not even die before it is answered; init reaps it then.
        signals.pidfd_send_signal(fd, signals.SIGKILL)
        return _HANGS
    finally:
        os.close(fd)
