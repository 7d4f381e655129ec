"""``attach``: join the first process of a running container."""

from __future__ import annotations

import os

from plugrun.engine.attaching.door import knock
from plugrun.engine.attaching.visit import Visit, ask
from plugrun.engine.containers import find_container, status
from plugrun.errors import CannotAttach, NotATerminal, PlugrunError
from plugrun.model.container import RESTARTING, RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.attaching.client import Wishes
    from plugrun.engine.attaching.visit import Parting
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def attach(engine: Engine, text: str, wishes: Wishes) -> Parting:
    """Attach until the container has ended or the user has left."""
    container = find_container(engine, text)
    now = status(engine, container)
    gives = "stdin" in wishes.streams
    if now.state == "paused":
        raise CannotAttach("You cannot attach to a paused container, unpause it first")
    if now.state == RESTARTING:
        raise CannotAttach("You cannot attach to a restarting container, wait until it is running")
    if now.state != RUNNING:
        raise CannotAttach("You cannot attach to a stopped container, start it first")
    if container.tty and container.open_stdin and gives and not os.isatty(0):
        raise NotATerminal(
            "the input device is not a TTY", hint="use --no-stdin, or run it in a terminal"
        )
    return join(engine, container, now.pid, wishes)


def join(engine: Engine, container: Container, pid: int, wishes: Wishes) -> Parting:
    """Be a guest of a container that runs."""
    connection = knock(engine, container.id)
    if connection is None:
        raise PlugrunError(
            f"container {container.id} cannot be attached to: its monitor was killed",
            hint=f"`plugrun restart {container.name}` gives it another",
        )
    engine.emit_container("attach", container)
    ask(connection, wishes)
    with Visit(engine, connection, wishes) as visit:
        visit.meet(container)
        return visit.serve(pid, redraw=True)
