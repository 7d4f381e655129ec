"""The exit file: how a container ended, written by whoever reaps its first process."""

from __future__ import annotations

from plugrun.linux.filesystem import write_whole
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import as_json, record


@record
class ExitFile:
    """How a container ended. ``started_ns`` is 0 if its command never ran, ``error`` says why.

    ``restarts`` is how often its restart policy had started it.
    """

    exit_code: int
    started_ns: int
    finished_ns: int
    oom_killed: bool = False
    error: str = ""
    restarts: int = 0


def write_exit_file(folder: str, ended: ExitFile, *, durable: bool = True) -> None:
    """Write it whole and, if ``durable``, so that a power failure does not undo it."""
    write_whole(f"{folder}/exit", dumps(as_json(ended)).encode(), durable=durable)


def read_exit_file(folder: str) -> ExitFile | None:
    """Return how a container ended, or None if it has not.

    A power failure may have left an empty file of one that was not durable.
    """
    try:
        with open(f"{folder}/exit", "rb") as file:
            data = file.read()
        return ExitFile(**loads(data)) if data else None
    except FileNotFoundError:
        return None
