"""What a monitor needs to know, as plain data that passes through execve(2)."""

from __future__ import annotations

from plugrun.model.record import record


@record
class WatchPlan:
    """What to watch, and where to write.

    ``outputs`` are (stream, descriptor) pairs to copy from, ``clients`` (stream, descriptor) pairs
    to copy to. ``lifeline`` is a descriptor that ends with the process that started the container,
    or -1. ``input`` leads to the container's input, for whoever attaches with it, or is -1; with
    ``once`` it ends with the first of them. ``door`` is a listening socket for those who attach,
    ``guests`` are connections of some who have. ``watching`` is closed when the exit file is
    written. ``durable`` says whether that file must survive a power failure, and ``restarts`` is
    written into it. ``cleanup`` is the command that removes what is left when the container has
    ended. ``log`` is empty if output is not kept; else it is at most ``log_files`` files of
    ``log_size`` bytes, and each line carries ``log_attrs``, a JSON object or empty. ``probe`` is
    the command that checks the container's health, executed so many milliseconds after the one
    before it: ``probe_early_ms`` in the first ``probe_period_ms`` until the container is healthy,
    ``probe_ms`` else, and not while the file ``freezer`` says that it is paused. ``probing`` is the
    PID of one that runs already, or 0. ``oom`` is the command that says that the kernel has killed
    for want of memory; ``oom_told`` kills have been said already. ``held``
    are descriptors that only have to stay open: they reserve what the container has.
    ``shares_pids`` says that the container has no PID namespace of its own.
    """

    pid: int
    started_ns: int
    log: str
    folder: str
    oom_counter: str
    outputs: tuple[tuple[str, int], ...]
    clients: tuple[tuple[str, int], ...] = ()
    lifeline: int = -1
    input: int = -1
    once: bool = False
    door: int = -1
    guests: tuple[int, ...] = ()
    watching: int = -1
    durable: bool = True
    restarts: int = 0
    cleanup: tuple[str, ...] = ()
    log_size: int = 10_000_000
    log_files: int = 3
    log_attrs: str = ""
    probe: tuple[str, ...] = ()
    probe_ms: int = 0
    probe_early_ms: int = 0
    probe_period_ms: int = 0
    probing: int = 0
    freezer: str = ""
    oom: tuple[str, ...] = ()
    oom_told: int = 0
    held: tuple[int, ...] = ()
    orphans: bool = False
    shares_pids: bool = False

    @property
    def kept(self) -> tuple[int, ...]:
        """The descriptors that a lean monitor goes on with."""
        inner = {self.input, self.door, self.watching, *self.guests, *self.held}
        return tuple({fd for _, fd in self.outputs} | (inner - {-1}))
