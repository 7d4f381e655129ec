"""``restart``: stop, and start."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.start import start
from plugrun.engine.stop import stop_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.stop import Asked


def restart(
    engine: Engine, text: str, timeout: int | None, signal: str, asked: Asked | None = None
) -> None:
    """Stop a container if it runs, and start it; one that its end would remove is kept.

    ``timeout``, ``signal`` and ``asked`` are those of ``stop``.
    """
    container = find_container(engine, text)
    stop_container(engine, container, timeout, signal, keep=True, asked=asked)
    start(engine, container.id)
    engine.emit_container("restart", container)
