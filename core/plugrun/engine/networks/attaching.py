"""The attachment of a container that is being made: before it is whole, where isolation can."""

from __future__ import annotations

from plugrun.engine.networks.attach import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedTask
    from plugrun.model.container import Container
    from plugrun.model.network import NetworkConfig


class Attaching:
    """Attaches once, by ``begin`` or else by ``finish``, which returns or raises what came of it.

    ``begin`` raises nothing: its caller is at work on the container's process, and what becomes of
    that matters more. Whatever comes of both, ``detach_all`` undoes it.
    """

    def __init__(
        self, engine: Engine, container: Container, networks: Sequence[NetworkConfig]
    ) -> None:
        self._engine = engine
        self._container = container
        self._networks = networks
        self._attached: AttachedTask | None = None
        self._failure: Exception | None = None

    def begin(self, pid: int) -> None:
        """Attach a process that has entered its namespaces."""
        try:
            self._attached = attach(self._engine, self._container, pid, self._networks)
        except Exception as error:  # noqa: BLE001  (raised by finish)
            self._failure = error

    def finish(self, pid: int) -> AttachedTask:
        """Return what the networks gave; raise as ``attach`` does."""
        if self._attached is None and self._failure is None:
            self.begin(pid)
        if self._failure is not None:
            raise self._failure
        assert self._attached is not None
        return self._attached
