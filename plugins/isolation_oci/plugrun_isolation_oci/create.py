"""``create``: the bundle as the runtime takes it, the root, the call, and who came of it.

=====================  ==========================================================================
caller                 folder, config.json, state; the programs that serve mounts; forks
call (a child)         waits until the state names it; a mount namespace, the root; executes the
                       runtime, which makes the container's first process and ends
caller                 that process is its child now (PR_SET_CHILD_SUBREAPER): state, terminal
=====================  ==========================================================================
"""

from __future__ import annotations

import os

from plugrun.api import IsolationError, PlugrunError, process, replace

from plugrun_isolation_oci.config import needs_stage, read_spec, runtime_config
from plugrun_isolation_oci.group import Group
from plugrun_isolation_oci.program import Call, Refusal, Runtime, reap
from plugrun_isolation_oci.rootfs import Served, mount_alone
from plugrun_isolation_oci.state import Facts, Folder
from plugrun_isolation_oci.words import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.api import Mount, Stdio

    from plugrun_isolation_oci.stage import Stage

_SIGKILL = 9


class Creation:
    """One ``create`` on its way; what fails leaves nothing."""

    def __init__(
        self, runtime: Runtime, folder: Folder, bundle: str, stdio: Stdio, parent: str
    ) -> None:
        self._runtime = runtime
        self._folder = folder
        self._stdio = stdio
        spec = read_spec(bundle)
        self._command = ((spec["process"].get("args") or [""])[0]) or ""
        self._root = os.path.realpath(os.path.join(bundle, spec["root"]["path"]))
        path = (spec.get("linux") or {}).get("cgroupsPath") or f"/{parent}/{folder.id}"
        cgroup = os.path.normpath("/" + path.lstrip("/"))
        self._config = runtime_config(spec, self._root, cgroup, terminal=stdio.terminal)
        self._stage = self._staged(spec)
        self._group = Group(cgroup)
        self._facts = Facts(bundle=os.path.abspath(bundle), cgroup=cgroup, command=self._command)

    def _staged(self, spec: dict[str, Any]) -> Stage | None:
        if not needs_stage(spec):
            return None
        from plugrun_isolation_oci.stage import Stage

        stage = Stage(spec)
        stage.rewrite(self._config, with_ids=self._runtime.wants_ids_of_joined)
        stage.give(self._stdio, spec["process"]["user"])
        return stage

    def run(self, rootfs: Sequence[Mount]) -> None:
        """Make the container up to the wait for ``start``."""
        lock = self._folder.make()
        try:
            self._refuse_foreign()
            self._folder.write(self._facts)
            self._folder.write_config(self._config)
            with Served(rootfs) as served:
                self._make(rootfs, served)
        except BaseException:
            self._undo()
            raise
        finally:
            os.close(lock)

    def _refuse_foreign(self) -> None:
        try:
            self._group.refuse_existing()
        except IsolationError:
            self._facts = replace(self._facts, cgroup="")  # not ours to remove
            raise

    def _make(self, rootfs: Sequence[Mount], served: Served) -> None:
        try:
            if self._stdio.terminal:
                self._make_with_terminal(rootfs, served)
            else:
                self._call(rootfs, served, ())
        except Refusal as refusal:
            # Whatever failed: without the program behind the root nothing can work.
            raise served.fault() or self._failure(refusal) from None
        except PlugrunError as error:
            raise served.fault() or error from None

    def _failure(self, refusal: Refusal) -> IsolationError:
        return failure(refusal.reason, self._runtime.name, self._command)

    def _make_with_terminal(self, rootfs: Sequence[Mount], served: Served) -> None:
        from plugrun_isolation_oci.console import Console

        with Console(self._folder.path, self._stdio) as console:
            self._call(rootfs, served, ("--console-socket", console.address))
            console.connect(self._stdio)

    def _call(self, rootfs: Sequence[Mount], served: Served, more: Sequence[str]) -> None:
        pid_file = f"{self._folder.path}/pid"
        own = ("--bundle", self._folder.path, "--pid-file", pid_file, *more)
        call = Call(
            self._runtime,
            ("create", *own, self._folder.id),
            stdio=self._stdio,
            prepare=lambda: mount_alone(self._root, rootfs, served.fds, self._stage),
            held=True,
        )
        try:
            maker = replace(self._facts, maker=call.pid, maker_started=process.start_time(call.pid))
            self._folder.write(maker)
            call.go()
        except BaseException:
            call.give_up()
            raise
        call.finish()
        pid = read_pid(pid_file)
        self._facts = replace(self._facts, pid=pid, started=process.start_time(pid))
        self._folder.write(self._facts)
        if self._stage is not None:
            self._stage.finish(pid)

    def _undo(self) -> None:
        """Leave nothing: the process, as our child, is killed and reaped; then the rest."""
        from plugrun_isolation_oci.verbs import remove_traces

        remove_traces(self._runtime, self._folder, self._facts)
        if self._facts.pid:
            reap(self._facts.pid)


def read_pid(path: str) -> int:
    """Return the number in a runtime's ``--pid-file``."""
    try:
        with open(path, "rb") as stream:
            return int(stream.read())
    except (FileNotFoundError, ValueError):
        raise IsolationError("the runtime does not say which process it has made") from None
