"""``create``: the caller's side.

While the new processes unshare and mount, the caller makes the cgroups and compiles the seccomp
filter; a pipe brings them together, and carries what ``child`` calls the conversation. Whatever
fails is undone in reverse.
"""

from __future__ import annotations

import os

from plugrun.api import IsolationError, Mount, PlugrunError, Stdio, process, runtimespec

from plugrun_isolation_ns import apparmor, child, devices, init, rules, seccomp
from plugrun_isolation_ns.cgroups import Cgroup, Hierarchy, open_cgroup
from plugrun_isolation_ns.state import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from plugrun.api import Connection


class Creation:
    """One ``create`` on its way; ``undo`` takes back what was done so far.

    With ``outlives`` the created container stays when the caller ends, as an OCI runtime's does;
    else it goes with the caller until it is started. ``preserved`` are descriptors that the
    container's process keeps, from 3 on, in this order. ``named`` is called with its PID as soon as
    it is known (EARLY_PID).
    """

    def __init__(
        self,
        folder: Folder,
        bundle: str,
        stdio: Stdio,
        rootfs: Sequence[Mount],
        *,
        outlives: bool = False,
        preserved: Sequence[int] = (),
        named: Callable[[int], None] | None = None,
    ) -> None:
        self._folder = folder
        self._outlives = outlives
        self._preserved = tuple(preserved)
        self._named = named
        self._bundle = os.path.abspath(bundle)
        self._stdio = stdio
        self._rootfs = rootfs
        self._spec = runtimespec.read_spec(bundle)
        rules.check(self._spec)
        self._namespaces = rules.Namespaces(self._spec)
        rules.check_names(self._spec, self._namespaces)
        linux = self._spec.get("linux") or {}
        rules.check_ids(linux, self._namespaces)
        rules.check_sysctls(linux.get("sysctl") or {}, self._namespaces)
        apparmor.check(self._spec["process"].get("apparmorProfile") or "")
        if self._spec.get("hooks"):
            from plugrun_isolation_ns.hooks import check_hooks

            check_hooks(self._spec)
        self._cgroup: Cgroup | None = None
        self._pid = 0
        self._served: dict[int, Connection] = {}
        self._ready = False

    def run(self, hierarchies: Sequence[Hierarchy], version: str, parent: str, cache: str) -> None:
        """Make the container up to the wait for ``start``."""
        try:
            self._connect()
            self._run(hierarchies, version, parent, cache)
        except PlugrunError as error:
            # Whatever failed: without the program behind the root nothing can work.
            raise self._fault() or error from None
        finally:
            for connection in self._served.values():
                connection.close()

    def _connect(self) -> None:
        """Start the programs that serve mounts of the root, which takes them a while."""
        for place, mount in enumerate(self._rootfs):
            if mount.helper:
                from plugrun.api import connect

                self._served[place] = connect(mount)

    def _fault(self) -> PlugrunError | None:
        faults = (connection.fault() for connection in self._served.values())
        return next((fault for fault in faults if fault is not None), None)

    def _run(self, hierarchies: Sequence[Hierarchy], version: str, parent: str, cache: str) -> None:
        linux = self._spec.get("linux") or {}
        path = linux.get("cgroupsPath") or f"/{parent}/{self._folder.id}"
        path = os.path.normpath("/" + path.lstrip("/"))
        resources = linux.get("resources") or {}
        self._cgroup = open_cgroup(version, hierarchies, path, resources)
        lock = self._folder.make()
        try:
            self._cgroup.look()
            self._write_state(0, 0)
            self._make(hierarchies, linux, cache)
        except OSError as error:
            self._undo()
            raise IsolationError(f"container {self._folder.id}: {child.describe(error)}") from error
        except BaseException:
            self._undo()
            raise
        finally:
            os.close(lock)

    def _make(self, hierarchies: Sequence[Hierarchy], linux: dict[str, Any], cache: str) -> None:
        assert self._cgroup is not None
        reader, report = child.pipe()
        go, starter = child.pipe()
        job = self._job(hierarchies, report, go)
        stage1 = child.fork(lambda: init.stage1(job), report)
        os.close(report)
        os.close(go)
        try:
            self._cgroup.create(devices.with_defaults(linux.get("resources") or {}))
            _send(starter, seccomp.program(linux.get("seccomp"), cache))
            for line in child.pid_first(child.lines(reader)):
                self._hear(line, starter)
        finally:
            # The end of file makes the new processes give up.
            os.close(starter)
            for line in child.lines(reader):
                self._note(line)
            os.close(reader)
            end = "" if self._pid else child.end_of(stage1)
            child.reap(stage1)
        if not self._ready:
            how = end or child.end_of(self._pid)
            raise IsolationError(f"the container's first process died before it was ready: {how}")
        if not self._outlives:
            self._write_state(self._pid, process.start_time(self._pid))

    def _job(self, hierarchies: Sequence[Hierarchy], report: int, go: int) -> init.Job:
        root = os.path.join(self._bundle, self._spec["root"]["path"])
        assert self._cgroup is not None
        return init.Job(
            id=self._folder.id,
            bundle=self._bundle,
            spec=self._spec,
            root_path=root,
            rootfs=self._rootfs,
            served={place: connection.fd for place, connection in self._served.items()},
            stdio=self._stdio,
            namespaces=self._namespaces,
            cgroup=self._cgroup,
            hierarchies=hierarchies,
            start_fifo=self._folder.start_fifo,
            status_fifo=self._folder.status_fifo,
            report=report,
            go=go,
            outlives=self._outlives,
            preserved=self._preserved,
        )

    def _note(self, line: str) -> None:
        if line.startswith("P"):
            self._pid = int(line[1:])

    def _hear(self, line: str, starter: int) -> None:
        """Take a line of the report, and give the answer that it waits for."""
        self._note(line)
        if line.startswith("P") and self._named:
            self._named(self._pid)
        if line.startswith("E"):
            child.raise_reported(line)
        elif line == "H":
            self._run_hooks()
            os.write(starter, self._pid.to_bytes(4, "little"))
        elif line == "R":
            self._ready = True
            if self._outlives:
                self._write_state(self._pid, process.start_time(self._pid))
                os.write(starter, b"L")

    def _run_hooks(self) -> None:
        from plugrun_isolation_ns.hooks import CREATE_RUNTIME, PRESTART, run_hooks, state_document

        # Whoever asks for the state from a hook finds the process (docker's libnetwork does).
        self._write_state(self._pid, process.start_time(self._pid))
        state = state_document(self._folder.id, "creating", self._pid, self._bundle, self._spec)
        run_hooks(self._spec, (PRESTART, CREATE_RUNTIME), state)

    def _write_state(self, pid: int, started: int) -> None:
        assert self._cgroup is not None
        self._folder.write_facts(
            {
                "pid": pid,
                "started": started,
                "bundle": self._bundle,
                "cgroup": self._cgroup.facts(),
                "namespaces": self._namespaces.all,
                "hooks": bool(self._spec.get("hooks")),
                "command": ((self._spec["process"].get("args") or [""])[0]),
            }
        )

    def _undo(self) -> None:
        """Leave nothing: the process, as our child, is killed and reaped; then the rest."""
        assert self._cgroup is not None
        if self._pid:
            _kill_and_reap(self._pid)
        self._cgroup.undo()
        self._folder.remove()


def _send(fd: int, body: bytes) -> None:
    message = memoryview(len(body).to_bytes(4, "little") + body)
    try:
        while message:
            message = message[os.write(fd, message) :]
    except BrokenPipeError:
        return  # it died, and its report says why


def _kill_and_reap(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
    child.reap(pid)
