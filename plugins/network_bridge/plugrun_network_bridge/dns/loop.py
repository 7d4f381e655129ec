"""Descriptors that something is done about when they are ready, and things that time out."""

from __future__ import annotations

import select
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Loop:
    """One epoll(7). Whoever watches a descriptor forgets it before closing it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._acts: dict[int, Callable[[], None]] = {}
        self._deadlines: dict[int, tuple[float, Callable[[], None]]] = {}

    def watch(self, fd: int, act: Callable[[], None], events: int = READ) -> None:
        """Call ``act`` whenever a descriptor is ready; what was to be done before is replaced."""
        if fd in self._acts:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._acts[fd] = act

    def limit(self, fd: int, seconds: float, act: Callable[[], None]) -> None:
        """Call ``act`` once, unless the descriptor is forgotten within so many seconds."""
        self._deadlines[fd] = (monotonic() + seconds, act)

    def forget(self, fd: int) -> None:
        """Let a descriptor be."""
        if self._acts.pop(fd, None) is not None:
            self._epoll.unregister(fd)
        self._deadlines.pop(fd, None)

    def turn(self, longest: float) -> None:
        """Wait until something is ready or too late, ``longest`` seconds at most; do it."""
        waits = [deadline - monotonic() for deadline, _ in self._deadlines.values()]
        events = self._epoll.poll(max(0.0, min([longest, *waits])))
        for fd, act in [(fd, self._acts.get(fd)) for fd, _ in events]:
            # Meanwhile somebody may have closed it, and its number may be another's.
            if act is not None and self._acts.get(fd) is act:
                act()
        now = monotonic()
        late = [fd for fd, (deadline, _) in self._deadlines.items() if deadline <= now]
        for fd in late:
            entry = self._deadlines.pop(fd, None)
            if entry is not None:
                entry[1]()
