"""A container: the record, as opposed to its task, the live process."""

from __future__ import annotations

from plugrun.model.record import as_json, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Docker's words for a container's state.
CREATED = "created"
RUNNING = "running"
EXITED = "exited"


@record
class Bind:
    """One ``-v``: a host path mounted at ``target``; ``source`` is absolute."""

    source: str
    target: str
    options: tuple[str, ...] = ()


@record
class Limits:
    """Resource limits; 0 is none. Bytes, billionths of a CPU, processes."""

    memory: int = 0
    memory_swap: int = 0
    nano_cpus: int = 0
    pids: int = 0


@record
class BackendChoice:
    """Which backend serves a container, its distribution's version, and why it was chosen."""

    name: str
    version: str
    why: str


@record
class Container:
    """All that is decided when a container is created. Nothing in it changes afterwards.

    ``args`` is entrypoint and command together, as executed. ``network`` is ``none``, ``host`` or
    the profile's (``default``).
    """

    id: str
    name: str
    created_ns: int
    image: str
    image_name: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    working_dir: str
    hostname: str
    tty: bool
    open_stdin: bool
    auto_remove: bool
    detached: bool
    read_only: bool
    init: bool
    network: str
    binds: tuple[Bind, ...]
    limits: Limits
    labels: tuple[tuple[str, str], ...]
    stop_signal: str
    stop_timeout: int
    profile: str
    storage: BackendChoice
    isolation: BackendChoice
    net: BackendChoice

    @property
    def args(self) -> tuple[str, ...]:
        """What is executed."""
        return self.entrypoint + self.cmd

    @property
    def short_id(self) -> str:
        """The twelve characters Docker prints."""
        return self.id[:12]


def container_to_json(container: Container) -> dict[str, Any]:
    """Return a container as plain JSON."""
    found: dict[str, Any] = as_json(container)
    return found


_TUPLES = ("entrypoint", "cmd", "env")
_CHOICES = ("storage", "isolation", "net")


def container_from_json(data: dict[str, Any]) -> Container:
    """Return the container that ``container_to_json`` wrote; unknown keys are left out."""
    values = {name: data[name] for name in _fields() if name in data}
    for name in _TUPLES:
        values[name] = tuple(data[name])
    for name in _CHOICES:
        values[name] = BackendChoice(**data[name])
    values["binds"] = tuple(
        Bind(b["source"], b["target"], tuple(b["options"])) for b in data["binds"]
    )
    values["limits"] = Limits(**data["limits"])
    values["labels"] = tuple((key, value) for key, value in data["labels"])
    return Container(**values)


def _fields() -> tuple[str, ...]:
    found: tuple[str, ...] = Container.__match_args__
    return found


@record
class Status:
    """What a container does now; derived from its files, never stored.

    ``pid`` is 0 unless it runs. Times are nanoseconds since the epoch, 0 if it has not come to
    that. ``error`` is why it could not be started.
    """

    state: str
    pid: int = 0
    exit_code: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    oom_killed: bool = False
    error: str = ""
