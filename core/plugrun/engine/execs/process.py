"""The process of an ``exec``: the container's own, but for what was said."""

from __future__ import annotations

import os

from plugrun.engine.create import merge_environment
from plugrun.engine.fence.accounts import Accounts, Identity, identify, read_accounts, with_groups
from plugrun.engine.fence.spec import capabilities, environment
from plugrun.errors import (
    CommandNotExecutable,
    CommandNotFound,
    InvalidArgument,
    IsolationError,
)
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import ExecRequest
    from plugrun.interfaces.isolation import Isolation, Stdio
    from plugrun.model.container import Container
    from plugrun.model.spec import Process


def exec_process(engine: Engine, container: Container, request: ExecRequest, pid: int) -> Process:
    """Return the process that a request describes; ``pid`` is the container's first.

    Raise CommandNotExecutable, as Docker has it, for a user or folder that cannot be.
    """
    if any(one.links for one in container.endpoints):
        from plugrun.engine.networks.links import with_link_environment

        container = with_link_environment(engine, container)
    own = bundled_process(engine.container_folder(container.id))
    identity = _identity(container, request, pid)
    cwd = request.workdir or container.working_dir or "/"
    if not cwd.startswith("/"):
        raise CommandNotExecutable("Cwd must be an absolute path")
    process: Process = {
        "terminal": request.tty,
        "user": {
            "uid": identity.uid,
            "gid": identity.gid,
            "additionalGids": identity.supplementary,
            "umask": 0o022,
        },
        "args": list(request.args),
        "env": environment(
            container, identity, merge_environment(container.env, request.env), request.tty
        ),
        "cwd": cwd,
        "capabilities": capabilities(identity, _allowed(own, request)),
        "noNewPrivileges": own.get("noNewPrivileges", False),
        "oomScoreAdj": own.get("oomScoreAdj", 0),
    }
    if "rlimits" in own:
        process["rlimits"] = own["rlimits"]
    return process


def execute(isolation: Isolation, id: str, process: Process, stdio: Stdio) -> int:
    """Execute it and return its PID; whatever keeps it from running has Docker's exit code."""
    try:
        return isolation.exec(id, process, stdio)
    except (CommandNotFound, CommandNotExecutable):
        raise
    except IsolationError as error:
        raise CommandNotExecutable(error.message, hint=error.hint) from None


def bundled_process(folder: str) -> Process:
    """Return the container's own process, as hooks left it in its bundle."""
    with open(f"{folder}/config.json", "rb") as file:
        process: Process = loads(file.read())["process"]
    return process


def live_accounts(pid: int) -> Accounts:
    """Read a running container's account files, as they are now, beneath its root."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return read_accounts(root)
    finally:
        os.close(root)


def _identity(container: Container, request: ExecRequest, pid: int) -> Identity:
    accounts = live_accounts(pid)
    try:
        found = identify(request.user or container.user, accounts)
        return with_groups(found, container.group_add, accounts)
    except InvalidArgument as error:
        raise CommandNotExecutable(error.message) from None


def _allowed(own: Process, request: ExecRequest) -> tuple[str, ...]:
    """Return what the command may have at most: the container's, or all with ``--privileged``."""
    if request.privileged:
        from plugrun.linux.capabilities import at_hand

        return at_hand()
    held = own.get("capabilities")
    return tuple(held["bounding"]) if held else ()
