"""``exec``: one more process in a running container."""

from __future__ import annotations

import os

from plugrun.api import RUNNING, Conflict, dumps, filesystem

from plugrun_isolation_oci.config import has_user_namespace, read_spec, runtime_process
from plugrun_isolation_oci.create import read_pid
from plugrun_isolation_oci.execution import Execution
from plugrun_isolation_oci.program import Call, Refusal, Runtime, memory_file, path_of, reap
from plugrun_isolation_oci.state import Facts, Folder
from plugrun_isolation_oci.verbs import status
from plugrun_isolation_oci.words import failure, not_executed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from plugrun.api import Stdio


def execute(runtime: Runtime, folder: Folder, given: dict[str, Any], stdio: Stdio) -> int:
    """Execute a command beside the task's own; return its PID, as a child of this process.

    What ``given`` leaves out (capabilities, limits) is as the container's own process has it.
    """
    facts = folder.read()
    now = status(runtime, folder, facts)
    if now != RUNNING:
        raise Conflict(f"container {folder.id} is {now}, not running")
    own = read_spec(facts.bundle)["process"]
    prepare = _prepared(folder, facts, stdio, {**own, **given})
    wanted = runtime_process({**own, **given}, terminal=stdio.terminal)
    command = (wanted.get("args") or [""])[0]
    document = memory_file("process", dumps(wanted).encode())
    pid_file = f"{folder.path}/exec-{os.getpid()}"
    words = ("exec", "--detach", "--pid-file", pid_file, "--process", path_of(document))
    try:
        if stdio.terminal:
            _call_with_terminal(runtime, folder, words, stdio, prepare)
        else:
            Call(runtime, (*words, folder.id), stdio=stdio, prepare=prepare).finish()
        return _executed(runtime, read_pid(pid_file), command)
    except Refusal as refusal:
        raise failure(refusal.reason, runtime.name, command) from None
    finally:
        os.close(document)
        filesystem.unlink(pid_file)


def _prepared(
    folder: Folder, facts: Facts, stdio: Stdio, wanted: dict[str, Any]
) -> Callable[[], None] | None:
    """Do what the runtime itself cannot in a user namespace; return what its own process is to."""
    config = folder.read_config()
    if not has_user_namespace(config):
        return None
    from plugrun.api import idmap

    from plugrun_isolation_oci.stage import give_stdio, stand_in

    give_stdio(idmap.ids_of_process(facts.pid), stdio, wanted["user"])
    root: str = config["root"]["path"]
    return lambda: stand_in(root)


def _call_with_terminal(
    runtime: Runtime,
    folder: Folder,
    words: Sequence[str],
    stdio: Stdio,
    prepare: Callable[[], None] | None,
) -> None:
    from plugrun_isolation_oci.console import Console

    with Console(folder.path, stdio, f"console-{os.getpid()}") as console:
        more = ("--console-socket", console.address)
        Call(runtime, (*words, *more, folder.id), stdio=stdio, prepare=prepare).finish()
        console.connect(stdio)


def _executed(runtime: Runtime, pid: int, command: str) -> int:
    execution = Execution(pid)
    try:
        reason = execution.failed()
    finally:
        execution.close()
    if reason:
        # It was never shown to the caller, so it is not the caller's to reap.
        reap(pid)
        raise failure(not_executed(reason, command), runtime.name, command)
    return pid
