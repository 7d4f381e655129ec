"""What a monitor needs to know, as plain data that passes through execve(2)."""

from __future__ import annotations

from plugrun.model.record import record


@record
class WatchPlan:
    """What to watch, and where to write.

    ``outputs`` are (stream, descriptor) pairs to copy from, ``clients`` (stream, descriptor) pairs
    to copy to. ``lifeline`` is a descriptor that ends with the process that started the container,
    or -1; ``held`` are kept open for the container, and ``watching`` is closed when the exit file
    is written. ``durable`` says whether that file must survive a power failure. ``cleanup`` is the
    command that removes what is left when the container has ended.
    """

    pid: int
    started_ns: int
    log: str
    folder: str
    oom_counter: str
    outputs: tuple[tuple[str, int], ...]
    clients: tuple[tuple[str, int], ...] = ()
    lifeline: int = -1
    held: tuple[int, ...] = ()
    watching: int = -1
    durable: bool = True
    cleanup: tuple[str, ...] = ()
