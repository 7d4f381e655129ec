"""Programs that end with this process, however it ends, and with them whatever they have started.

Each is the first process of a PID namespace, with which the kernel ends all others in it
(pid_namespaces(7)). It keeps the terminal and its process group.
"""

from __future__ import annotations

import os
import select

from plugrun.linux.process import CLONE_NEWPID, PR_SET_PDEATHSIG, prctl, setns, unshare
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from subprocess import CompletedProcess


def run_bounded(argv: Sequence[str], env: Mapping[str, str]) -> CompletedProcess[bytes]:
    """Run a program to its end with no input; return its code and what it wrote.

    Raise FileNotFoundError if there is none of that name. This process may have no other thread.
    """
    from subprocess import DEVNULL, PIPE, CompletedProcess, Popen

    own = os.pidfd_open(os.getpid())
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWPID)  # for children to come
        try:
            program = Popen(
                argv,
                env=env,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                preexec_fn=lambda: _end_with(own),  # noqa: PLW1509  (there are no threads)
            )
        finally:
            setns(here, CLONE_NEWPID)
    finally:
        os.close(here)
        os.close(own)
    with program:
        try:
            out, said = program.communicate()
        except BaseException:
            program.kill()  # a first process heeds nothing else that it does not handle
            raise
    return CompletedProcess(argv, program.returncode, out, said)


def _end_with(starter: int) -> None:
    prctl(PR_SET_PDEATHSIG, signals.SIGKILL)
    if select.select([starter], [], [], 0)[0]:
        os._exit(1)  # it ended before that
