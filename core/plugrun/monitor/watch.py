"""Watch one container: its output into the log and to whoever is attached, then its exit code.

The process that does this is small on purpose (posix, select and time are all it loads) and holds
nothing the container needs: killing it ends the log and loses the exit code, never the container.
"""

from __future__ import annotations

import posix
import select

from plugrun.monitor.clients import CHUNK, Client
from plugrun.monitor.logfile import open_log
from plugrun.monitor.oom import OomWatch
from plugrun.monitor.probing import Prober

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugrun.monitor.guests import Guest
    from plugrun.monitor.plan import WatchPlan


# Reads that empty a pipe of the usual size, which a writer may meanwhile fill again: pipe(7).
_PIPEFULS = 4
_LATE_MS = 100


class Watcher:
    """Copies output until the container has ended and its output is drained.

    A client that does not read holds up the container, as a pipe to it would; but neither the
    container's end nor the client's own goes unnoticed for it, nor others who come and go. What
    such a client had not taken when the container had ended is left in ``late``, for
    ``show_late``. ``lost`` is told when a stream of the starter's can be written no more, with the
    errno; ``left`` when the starter has gone and nobody else is attached, with the plan to go on
    with, and need not return.
    """

    def __init__(
        self,
        plan: WatchPlan,
        lost: Callable[[str, int], None] | None = None,
        left: Callable[[WatchPlan], None] | None = None,
    ) -> None:
        self._plan = plan
        self._lost = lost
        self._on_left = left
        self._log = open_log(plan)
        self._prober = Prober(plan)
        self._oom = OomWatch(plan)
        self._poll = select.poll()
        self._streams = {fd: name for name, fd in plan.outputs}
        self._clients = [Client(stream, fd) for stream, fd in plan.clients]
        self._guests: dict[int, Guest] = {}
        self._held = plan.held
        self._input = plan.input
        self._exit_code: int | None = None
        self._pidfd = posix.pidfd_open(plan.pid)
        for fd in (*self._streams, self._pidfd, plan.lifeline, plan.door, self._prober.fd):
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)
        if self._oom.fd >= 0:
            self._poll.register(self._oom.fd, self._oom.mask)

    def run(self) -> int:
        """Watch to the end; return the exit code as a shell has it (128+n for signal n)."""
        # Heard before any output is read: they were there before the container was.
        for fd in self._plan.guests:
            self._welcome(fd)
            self._hear(fd)
        while self._exit_code is None or self._streams:
            for fd, _ in self._poll.poll(self._prober.patience):
                if fd in self._streams:
                    self._copy(fd)
                else:
                    self._note(fd)
            self._probe()
            if self._plan.orphans and self._exit_code is not None:
                self._leave_streams()
            if self._left and self._on_left is not None and self._exit_code is None:
                self._hand_over()
        self._log.close()
        self._oom.stop()
        return self._exit_code

    @property
    def late(self) -> tuple[tuple[int, bytes], ...]:
        """What the starter has not taken, by descriptor."""
        return tuple((c.fd, c.late) for c in self._clients if c.late and c.guest is None)

    def dismiss(self, code: int) -> None:
        """Tell those who are attached how it ended, once they have taken all output."""
        waiting = [c for c in self._clients if c.late and c.guest is not None]
        if waiting and posix.fork() == 0:
            # Others wait for this process, and must not wait for a reader's pleasure.
            self._tell_late(waiting, code)
        slow = {c.guest for c in waiting}
        for guest in self._guests.values():
            if guest not in slow:
                guest.tell(f"exit {code}")
            guest.close()

    def _tell_late(self, waiting: Sequence[Client], code: int) -> None:
        from plugrun.monitor.clients import show_late

        try:
            if self._plan.door >= 0:
                posix.close(self._plan.door)
            for client in waiting:
                assert client.guest is not None
                show_late(((client.fd, client.late),), client.guest.fd)
            for guest in {c.guest for c in waiting}:
                assert guest is not None
                guest.tell(f"exit {code}")
        finally:
            posix._exit(0)

    def _note(self, fd: int) -> None:
        """Take note of an end or of a guest; while output was shown, it may have been already."""
        if fd == self._pidfd and self._exit_code is None:
            self._end_probe(self._prober.stop)
            self._exit_code = self._reap()
        elif fd == self._prober.fd:
            self._end_probe(self._prober.ended)
        elif fd == self._oom.fd:
            self._oom.take()
        elif fd == self._plan.lifeline and not self._left:
            self._leave_client()
        elif fd == self._plan.door:
            self._open_door()
        elif fd in self._guests:
            self._hear(fd)

    def _probe(self) -> None:
        """Begin a health check if one is due."""
        if self._prober.probe_if_due():
            self._poll.register(self._prober.fd, select.POLLIN)

    def _end_probe(self, how: Callable[[], None]) -> None:
        if self._prober.fd >= 0:
            self._poll.unregister(self._prober.fd)
        how()

    _left = False

    def _copy(self, fd: int) -> None:
        stream = self._streams[fd]
        try:
            data = posix.read(fd, CHUNK)
        except BlockingIOError:
            return  # the starter made a terminal non-blocking, for its own end of it
        except OSError:
            # EIO is how a pty says that its last user has gone (pty(7)).
            data = b""
        if not data:
            self._drop(fd)
            return
        if self._clients:
            self._show(stream, data)
        self._log.write(stream, data)

    def _drop(self, fd: int) -> None:
        stream = self._streams.pop(fd)
        self._poll.unregister(fd)
        if fd != self._input:
            posix.close(fd)
        self._log.finish(stream)

    def _leave_streams(self) -> None:
        """Take what is there, at most as much as a pipe holds, and let go of what stays open."""
        for fd in list(self._streams):
            waiting = select.poll()
            waiting.register(fd, select.POLLIN)
            # A terminal of the isolation's own may be a moment late.
            patience = _LATE_MS if fd == self._input else 0
            for _ in range(_PIPEFULS):
                if fd not in self._streams or not waiting.poll(patience):
                    break
                self._copy(fd)
            if fd in self._streams:
                self._drop(fd)

    def _show(self, stream: str, data: bytes) -> None:
        for client in self._clients:
            if client.stream == stream:
                client.late += data
        while True:
            for client in [c for c in self._clients if c.late]:
                self._write(client)
            late = [c.fd for c in self._clients if c.late]
            if not late or not self._wait_writable(late):
                return

    def _write(self, client: Client) -> None:
        try:
            client.write()
        except OSError as error:
            # Nobody reads any more (a closed pipe, a full disk): the container goes on.
            self._clients.remove(client)
            client.close()
            if client.guest is not None:
                client.guest.tell(f"lost {client.stream} {error.errno or 0}")
            elif self._lost is not None:
                self._lost(client.stream, error.errno or 0)

    def _wait_writable(self, late: Sequence[int]) -> bool:
        """Wait until a client takes more or has gone; False once the container has ended."""
        waiting = select.poll()
        for fd in late:
            waiting.register(fd, select.POLLOUT)
        ended = self._exit_code is not None
        noted = (-1 if ended else self._pidfd, -1 if self._left else self._plan.lifeline)
        for fd in (*noted, self._plan.door, self._prober.fd, *self._guests):
            if fd >= 0:
                waiting.register(fd, select.POLLIN)
        ready = {fd for fd, _ in waiting.poll(0 if ended else self._prober.patience)}
        for fd in ready.difference(late):
            self._note(fd)
        self._probe()
        return self._exit_code is None or not ready.isdisjoint(late)

    def _reap(self) -> int:
        _, status = posix.waitpid(self._plan.pid, 0)
        self._poll.unregister(self._pidfd)
        posix.close(self._pidfd)
        if self._plan.shares_pids:
            from plugrun.monitor.leftovers import end_leftovers

            end_leftovers(self._plan.freezer or self._plan.oom_counter)
        code = posix.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    # -- the starter ----------------------------------------------------------------------

    def _leave_client(self) -> None:
        """The starter has gone: stop writing to what it had open, and let go of it."""
        self._left = True
        self._poll.unregister(self._plan.lifeline)
        posix.close(self._plan.lifeline)
        for client in [c for c in self._clients if c.guest is None]:
            self._clients.remove(client)
            client.close()
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        for fd in (0, 1, 2):
            posix.dup2(null, fd, inheritable=True)
        posix.close(null)

    def _hand_over(self) -> None:
        """Let somebody leaner go on; a line that is not whole yet goes into the log as it is."""
        if self._guests or self._on_left is None:
            return
        from plugrun.model.record import replace

        for stream in self._streams.values():
            self._log.finish(stream)
        outputs = tuple((name, fd) for fd, name in self._streams.items())
        plan = replace(self._plan, outputs=outputs, clients=(), lifeline=-1, input=self._input)
        plan = replace(plan, probing=self._prober.pid, oom_told=self._oom.told(), held=self._held)
        self._on_left(plan)

    # -- those who attach later -----------------------------------------------------------

    def _open_door(self) -> None:
        from plugrun.monitor.guests import admit

        guest = admit(self._plan.door)
        if guest is not None:
            self._guests[guest.fd] = guest
            self._poll.register(guest.fd, select.POLLIN)

    def _welcome(self, fd: int) -> None:
        from plugrun.monitor.guests import Guest

        self._guests[fd] = Guest(fd)
        self._poll.register(fd, select.POLLIN)

    def _hear(self, fd: int) -> None:
        guest = self._guests[fd]
        words, fds = guest.hear()
        if not words:
            self._forget(guest)
        elif words[0] == "attach" and not guest.joined:
            fds = self._join(guest, words[1:], fds)
        elif words[0] == "end" and guest.gives_input:
            self._end_input()
        elif words[0] == "hold":
            self._held, fds = (*self._held, *fds), []
            guest.tell("held")
        elif words[0] == "release":
            held, self._held = self._held, ()
            fds += held
            guest.tell("released")
        for given in fds:
            posix.close(given)

    def _join(self, guest: Guest, streams: Sequence[str], fds: list[int]) -> list[int]:
        """Show a guest what it asked for; return what is left of the descriptors."""
        guest.joined = True
        guest.gives_input = "stdin" in streams
        for stream in streams:
            if stream != "stdin" and fds:
                self._clients.append(Client(stream, fds.pop(0), guest))
        shared = self._input if guest.gives_input or self._input in self._streams else -1
        guest.tell("joined", *((shared,) if shared >= 0 else ()))
        return fds

    def _forget(self, guest: Guest) -> None:
        del self._guests[guest.fd]
        self._poll.unregister(guest.fd)
        for client in [c for c in self._clients if c.guest is guest]:
            self._clients.remove(client)
            client.close()
        guest.close()
        if guest.gives_input:
            self._end_input()

    def _end_input(self) -> None:
        """The input of a container that has it from the first guest only ends with that one."""
        if self._plan.once and self._input >= 0:
            posix.close(self._input)
            self._input = -1
