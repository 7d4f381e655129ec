"""``restart``: stop, and start."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.start import start
from plugrun.engine.stop import stop_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def restart(engine: Engine, text: str, timeout: int | None, signal: str) -> None:
    """Stop a container if it runs, and start it; one that its end would remove is kept.

    ``timeout`` and ``signal`` are those of ``stop``.
    """
    container = find_container(engine, text)
    stop_container(engine, container, timeout, signal, keep=True)
    start(engine, container.id)
    engine.emit_container("restart", container)
