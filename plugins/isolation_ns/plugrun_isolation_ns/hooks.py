"""The spec's hooks: programs that are called at points of a container's life.

Source: opencontainers/runtime-spec 1.2, config.md "POSIX-platform Hooks". Each gets the state of
the container as JSON on its standard input. All are run from where they can be reaped by whoever
called them, with no descriptors but 0, 1 and 2, and exactly the environment they name.
"""

from __future__ import annotations

import os
import select

from plugrun.api import IsolationError, dumps

from plugrun_isolation_ns import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from plugrun_isolation_ns.command import Launch

    # How the command will be executed, its trampoline, and where that wants its status descriptor.
    Through = tuple[Launch, int, int]

SPEC_VERSION = "1.2.0"

# Before the root is changed: by the caller, in its own namespaces.
PRESTART = "prestart"
CREATE_RUNTIME = "createRuntime"
# Before the root is changed: by the container's process, in the container's namespaces.
CREATE_CONTAINER = "createContainer"
# After the start was asked for: by the container's process, in its root.
START_CONTAINER = "startContainer"
# By the caller again.
POSTSTART = "poststart"
POSTSTOP = "poststop"

KINDS = (PRESTART, CREATE_RUNTIME, CREATE_CONTAINER, START_CONTAINER, POSTSTART, POSTSTOP)
_MOST_OUTPUT = 4096  # bytes of what a hook printed that an error quotes
_SIGKILL = 9
_AT_EMPTY_PATH = 0x1000


def check_hooks(spec: Mapping[str, Any]) -> None:
    """Refuse hooks that no runtime could run: config.md wants an absolute path, a timeout > 0."""
    for kind, listed in (spec.get("hooks") or {}).items():
        if kind not in KINDS:
            raise IsolationError(f"the runtime spec has no hook {kind}")
        for hook in listed or []:
            _check_hook(kind, hook)


def _check_hook(kind: str, hook: Any) -> None:
    path = hook.get("path") if isinstance(hook, dict) else None
    if not isinstance(path, str) or not path.startswith("/"):
        raise IsolationError(f"{kind} hook: its path is not absolute: {path!r}")
    timeout = hook.get("timeout")
    if timeout is not None and (not isinstance(timeout, int) or timeout <= 0):
        raise IsolationError(f"{kind} hook {path}: its timeout is not above zero: {timeout!r}")
    for name in ("args", "env"):
        if not all(isinstance(item, str) for item in hook.get(name) or []):
            raise IsolationError(f"{kind} hook {path}: its {name} are not all strings")
    if any(not item.partition("=")[0] for item in hook.get("env") or []):
        raise IsolationError(f"{kind} hook {path}: a variable of its environment has no name")


def hooks_of(spec: Mapping[str, Any], *kinds: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return a spec's hooks of these kinds, in the order they are to run."""
    listed = spec.get("hooks") or {}
    return [(kind, hook) for kind in kinds for hook in listed.get(kind) or []]


def state_document(
    id: str, status: str, pid: int, bundle: str, spec: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a container's state as runtime.md has it."""
    document: dict[str, Any] = {"ociVersion": SPEC_VERSION, "id": id, "status": status}
    if pid:
        document["pid"] = pid
    document["bundle"] = bundle
    if spec.get("annotations"):
        document["annotations"] = spec["annotations"]
    return document


def run_hooks(
    spec: Mapping[str, Any],
    kinds: Sequence[str],
    state: Mapping[str, Any],
    through: Through | None = None,
) -> None:
    """Run hooks in their order; the first that fails raises IsolationError, and ends it.

    Those that are an image's files are run ``through`` all that the command goes through: the
    trampoline, which see, and seccomp.
    """
    for kind, hook in hooks_of(spec, *kinds):
        _run(kind, hook, dumps(state).encode(), through)


def run_hooks_to_the_end(
    spec: Mapping[str, Any], kind: str, state: Mapping[str, Any], warn: Callable[[str], None]
) -> None:
    """Run hooks in their order; one that fails is told, and the rest goes on."""
    for _, hook in hooks_of(spec, kind):
        try:
            _run(kind, hook, dumps(state).encode())
        except IsolationError as error:
            warn(error.message)


def _run(kind: str, hook: Mapping[str, Any], state: bytes, through: Through | None = None) -> None:
    path = hook["path"]
    given, printed = _memory(state), _memory(b"")
    try:
        try:
            if through is None:
                pid = _spawn(hook, given, printed)
                failure = _wait(pid, hook.get("timeout"))
            else:
                failure = _run_through(through, hook, given, printed)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise IsolationError(f"{kind} hook {path}: {reason}") from None
        if failure:
            text = os.pread(printed, _MOST_OUTPUT, 0).decode("utf-8", "replace").strip()
            raise IsolationError(f"{kind} hook {path}: {failure}" + (f": {text}" if text else ""))
    finally:
        os.close(given)
        os.close(printed)


def _spawn(hook: Mapping[str, Any], given: int, printed: int) -> int:
    actions = [
        (os.POSIX_SPAWN_DUP2, given, 0),
        (os.POSIX_SPAWN_DUP2, printed, 1),
        (os.POSIX_SPAWN_DUP2, printed, 2),
    ]
    path = hook["path"]
    environment = dict(item.partition("=")[::2] for item in hook.get("env") or [])
    return os.posix_spawn(path, hook.get("args") or [path], environment, file_actions=actions)


def _run_through(through: Through, hook: Mapping[str, Any], given: int, printed: int) -> str:
    """Run a hook as the command is run, and never from Python itself; return what went wrong."""
    launch, program, place = through
    path = hook["path"]
    # Above all that is to be overwritten.
    status = child.above(_memory(b""), place + 1)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                for fd, target in ((given, 0), (printed, 1), (printed, 2), (status, place)):
                    os.dup2(fd, target)
                launch.set_command(path, hook.get("args") or [path], hook.get("env") or [])
                launch.execute(program)
            finally:
                os._exit(126)
        failure = _wait(pid, hook.get("timeout"))
        refused = int.from_bytes(os.pread(status, 4, 0), "little")
    finally:
        os.close(status)
    if refused:
        raise OSError(refused, os.strerror(refused))
    return failure


def _memory(content: bytes) -> int:
    fd = os.memfd_create("plugrun-hook", os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _wait(pid: int, timeout: float | None) -> str:
    """Wait for a hook's end; return what went wrong, if anything."""
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        in_time = poll.poll(None if timeout is None else timeout * 1000)
        if not in_time:
            os.kill(pid, _SIGKILL)
    finally:
        os.close(fd)
    _, status = os.waitpid(pid, 0)
    if not in_time:
        return f"still running after {timeout} s"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"killed by signal {-code}"
    return f"exit code {code}" if code else ""
