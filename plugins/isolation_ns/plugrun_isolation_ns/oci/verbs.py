"""The verbs of an OCI runtime over the isolation of this package."""

from __future__ import annotations

import os
import sys
import time

from plugrun.api import (
    CREATED,
    RUNNING,
    STOPPED,
    Conflict,
    InvalidArgument,
    NoSuchContainer,
    PlugrunError,
    Stdio,
    UsageError,
    dumps,
    filesystem,
    loads,
    ownprogram,
    process,
    runtimespec,
    signalnames,
)

from plugrun_isolation_ns.hooks import state_document
from plugrun_isolation_ns.isolation import NamespaceIsolation
from plugrun_isolation_ns.oci.console import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from plugrun.api import Process, Resources

    from plugrun_isolation_ns.oci.commandline import Line

# Beside the isolation's own state, which has no room for it.
_CREATED = ".created"
_TRACE = "CAP_SYS_PTRACE"


class Runtime:
    """One root of containers; each verb takes its command line and returns an exit code."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._isolation = NamespaceIsolation(root, {}, outlives=True)

    def create(self, line: Line) -> int:
        """Make a container; it stays when this process has ended."""
        terminal = self._make(line, foreground=False)
        terminal.close()
        return 0

    def _make(self, line: Line, *, foreground: bool) -> Terminal:
        id = line.arguments[0]
        bundle = os.path.abspath(line.value("bundle", os.getcwd()))
        spec = runtimespec.read_spec(bundle)
        if _joins_processes(spec):
            ownprogram.execute_read_only()
        wanted = bool((spec.get("process") or {}).get("terminal"))
        kept = _preserved(line.value("preserve-fds"))  # before a descriptor of ours is among them
        terminal = Terminal(wanted, line.value("console-socket"), foreground=foreground)
        try:
            task = self._isolation.create(id, bundle, terminal.stdio(), preserved=kept)
            try:
                terminal.hand_over((spec.get("process") or {}).get("consoleSize"))
                _write_pid(line.value("pid-file"), task.pid)
                self._note_creation(id)
            except BaseException:
                # What create itself failed at it took back; another call's is not ours to delete.
                self._isolation.delete(id, force=True)
                raise
        except BaseException:
            terminal.close()
            raise
        return terminal

    def _note(self, id: str) -> str:
        return f"{self._root}/{_CREATED}/{id}"

    def _note_creation(self, id: str) -> None:
        os.makedirs(f"{self._root}/{_CREATED}", 0o700, exist_ok=True)
        filesystem.write_whole(self._note(id), str(time.time_ns()).encode())

    def start(self, line: Line) -> int:
        """Run the command of a created container."""
        self._isolation.start(line.arguments[0])
        return 0

    def run(self, line: Line) -> int:
        """Create and start; unless detached wait for the end, and delete."""
        detached = line.has("detach")
        id = line.arguments[0]
        process.prctl(process.PR_SET_CHILD_SUBREAPER, 1)
        terminal = self._make(line, foreground=not detached)
        try:
            self._isolation.start(id)
        except BaseException:
            terminal.close()
            self._forget(id, force=True)
            raise
        if detached:
            terminal.close()
            return 0
        pid = self._isolation.state(id).pid
        code = terminal.follow(pid)
        if not line.has("keep"):
            self._forget(id, force=True)
        return code

    def _forget(self, id: str, *, force: bool) -> None:
        self._isolation.delete(id, force=force)
        filesystem.unlink(self._note(id))

    def state(self, line: Line) -> int:
        """Print the state as runtime.md has it, and what engines read beyond it."""
        print(dumps(self._document(line.arguments[0])))
        return 0

    def _document(self, id: str) -> dict[str, Any]:
        task = self._isolation.state(id)
        spec: dict[str, Any] = {}
        if os.path.exists(f"{task.bundle}/config.json"):
            spec = runtimespec.read_spec(task.bundle)
        pid = 0 if task.status == STOPPED else task.pid
        document = {**state_document(id, task.status, pid, task.bundle, spec), "pid": pid}
        root = (spec.get("root") or {}).get("path", "")
        document["rootfs"] = os.path.join(task.bundle, root) if root else ""
        document["created"] = self._created(id)
        document["owner"] = ""
        return document

    def _documents(self, ids: Iterable[str]) -> Iterator[dict[str, Any]]:
        for id in ids:
            try:
                yield self._document(id)
            except NoSuchContainer:
                continue  # deleted since they were listed

    def _created(self, id: str) -> str:
        try:
            with open(self._note(id), "rb") as file:
                seconds, rest = divmod(int(file.read()), 10**9)
        except FileNotFoundError:
            return ""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"

    def kill(self, line: Line) -> int:
        """Send a signal; TERM if none is named."""
        wanted = line.arguments[1] if len(line.arguments) > 1 else "TERM"
        number = signalnames.signal_number(wanted)
        self._isolation.kill(line.arguments[0], number, everyone=line.has("all"))
        return 0

    def delete(self, line: Line) -> int:
        """Remove what a stopped container left; with --force end one that runs."""
        id = line.arguments[0]
        task = self._isolation.state(id)
        # As runc does: one that has never run may go without force.
        force = line.has("force") or task.status == CREATED
        self._forget(id, force=force)
        return 0

    def exec(self, line: Line) -> int:
        """Execute one more command; unless detached wait for its end."""
        from plugrun_isolation_ns.oci.processes import wanted_process

        id = line.arguments[0]
        task = self._isolation.state(id)
        if task.status != RUNNING:  # another process may have the PID by now
            raise Conflict(f"container {id} is {task.status}, not running")
        own = runtimespec.read_spec(task.bundle).get("process") or {}
        if _TRACE in ((own.get("capabilities") or {}).get("bounding") or ()):
            ownprogram.execute_read_only()
        spec: Process = wanted_process(line, own)
        detached = line.has("detach")
        kept = _preserved(line.value("preserve-fds"))
        terminal = Terminal(
            bool(spec.get("terminal")),
            line.value("console-socket"),
            foreground=not detached,
            inside=task.pid,
        )
        try:
            pid = self._isolation.exec(id, spec, terminal.stdio(), preserved=kept)
            terminal.hand_over(spec.get("consoleSize"))
            _write_pid(line.value("pid-file"), pid)
        except BaseException:
            terminal.close()
            raise
        if detached:
            terminal.close()
            return 0
        return terminal.follow(pid)

    def pause(self, line: Line) -> int:
        """Stop every process where it is."""
        self._isolation.pause(line.arguments[0])
        return 0

    def resume(self, line: Line) -> int:
        """Let them go on."""
        self._isolation.resume(line.arguments[0])
        return 0

    def update(self, line: Line) -> int:
        """Change limits: from a document, and from options, which count more."""
        from plugrun_isolation_ns.oci.resources import wanted_resources

        wanted: Resources = wanted_resources(line)
        self._isolation.update(line.arguments[0], wanted)
        return 0

    def events(self, line: Line) -> int:
        """Print what the container uses: once, or at every interval until it ends."""
        from plugrun_isolation_ns.oci.usage import follow_usage

        return follow_usage(self._isolation, line)

    def ps(self, line: Line) -> int:
        """List the processes: as ps(1) has them, or their PIDs as JSON."""
        from plugrun_isolation_ns.oci.processes import print_processes

        pids = self._isolation.processes(line.arguments[0])
        return print_processes(pids, line)

    def list(self, line: Line) -> int:
        """List the containers of this root."""
        ids = self._isolation.tasks()
        if line.has("quiet"):
            print("".join(f"{id}\n" for id in ids), end="")
            return 0
        documents = list(self._documents(ids))
        if line.value("format") == "json":
            print(dumps(documents))
            return 0
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED")]
        for one in documents:
            rows.append((one["id"], str(one["pid"]), one["status"], one["bundle"], one["created"]))
        widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
        for row in rows:
            print("".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip())
        return 0


def _joins_processes(spec: dict[str, Any]) -> bool:
    """Whether a container will have processes beside it from its beginning, who may look."""
    listed = (spec.get("linux") or {}).get("namespaces") or ()
    return any(item.get("type") == "pid" and item.get("path") for item in listed)


def _preserved(text: str) -> tuple[int, ...]:
    """Return the descriptors of this process that the container's is to keep."""
    if not text:
        return ()
    if not text.isdigit() or int(text) > 100:
        raise UsageError(f"--preserve-fds {text}: not a number up to 100")
    fds = tuple(range(3, 3 + int(text)))
    for fd in fds:
        try:
            os.fstat(fd)
        except OSError:
            raise InvalidArgument(f"--preserve-fds {text}: descriptor {fd} is not open") from None
    return fds


def _write_pid(path: str, pid: int) -> None:
    if path:
        filesystem.write_whole(path, str(pid).encode(), mode=0o644)


def read_document(path: str) -> dict[str, Any]:
    """Read a JSON object from a file, or from the standard input for ``-``."""
    try:
        if path == "-":
            text = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                text = file.read()
        found = loads(text)
    except FileNotFoundError:
        raise PlugrunError(f"{path} does not exist") from None
    except ValueError as error:
        raise PlugrunError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise PlugrunError(f"{path} does not hold a JSON object")
    return found


def stdio_of_caller() -> Stdio:
    """Return this process's own three descriptors."""
    return Stdio(0, 1, 2)
