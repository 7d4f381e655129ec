"""``wait``: block until a container has ended; its exit code."""

from __future__ import annotations

from plugrun.engine.containers import UNSEEN, find_container, status
from plugrun.engine.ending import wait_attended, wait_ended
from plugrun.engine.taskfile import read_task_file, watch_lock
from plugrun.monitor.exitfile import read_exit_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def wait(engine: Engine, text: str) -> int:
    """Return a container's exit code once it has ended, also if it is removed by its end."""
    container = find_container(engine, text)
    # Held so that ``--rm`` does not remove the exit file before it is read.
    with engine.locks.shared(f"end-{container.id}"):
        task = read_task_file(engine.task_folder(container.id))
        if task is None or task.pid == 0:
            return status(engine, container).exit_code
        # The monitor lets go of this when it has written the exit file, or has died.
        engine.locks.shared(watch_lock(container.id)).release()
        ended = read_exit_file(engine.container_folder(container.id))
    if ended is not None:
        return ended.exit_code
    wait_ended(task, None)
    wait_attended(engine, container, task)
    return UNSEEN.exit_code
