"""``exec``: one more process in a running container."""

from __future__ import annotations

import os

from plugrun.api import (
    RUNNING,
    Conflict,
    IsolationError,
    Stdio,
    idmap,
    process,
    record,
    runtimespec,
)

from plugrun_isolation_ns import child, command, seccomp, trampoline
from plugrun_isolation_ns.cgroups import Cgroup
from plugrun_isolation_ns.init import join_keyring, seccomp_flags
from plugrun_isolation_ns.state import Folder
from plugrun_isolation_ns.verbs import open_task, reopen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


@record
class _Job:
    id: str
    process: dict[str, Any]
    stdio: Stdio
    task: int
    pid: int
    namespaces: int
    cgroup: Cgroup
    seccomp: bytes
    seccomp_flags: int
    report: int
    status: int
    preserved: tuple[int, ...]


def execute(
    folder: Folder,
    spec: dict[str, Any],
    stdio: Stdio,
    cache: str,
    preserved: Sequence[int] = (),
) -> int:
    """Execute a command beside the task's own; return its PID, as a child of this process.

    It keeps the descriptors ``preserved`` as 3 and the following. What ``spec`` leaves out
    (capabilities, limits) is as the container's own process has it.
    """
    facts = folder.read()
    task = open_task(facts)
    try:
        status = folder.status(facts)
        if task < 0 or status != RUNNING:
            raise Conflict(f"container {folder.id} is {status}, not running")
        bundle = runtimespec.read_spec(facts["bundle"])
        spec = {**bundle["process"], **spec}
        linux = _linux(bundle, spec)
        body = seccomp.program(linux.get("seccomp"), cache)
        facts = {**facts, "id": folder.id}
        kept = tuple(preserved)
        return _run(facts, spec, stdio, task, body, seccomp_flags(linux), kept)
    finally:
        if task >= 0:
            os.close(task)


def _linux(bundle: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """The container's own filter, unless the process brings one (an extension of ours)."""
    if "seccomp" in spec:
        return {"seccomp": spec["seccomp"]}
    linux: dict[str, Any] = bundle.get("linux") or {}
    return linux


def _run(
    facts: dict[str, Any],
    spec: dict[str, Any],
    stdio: Stdio,
    task: int,
    body: bytes,
    flags: int,
    preserved: tuple[int, ...],
) -> int:
    lowest = command.status_fd(preserved) + 1
    reader, report = child.pipe(lowest)
    result, status = child.pipe(lowest)
    cgroup = reopen(facts)
    namespaces = facts["namespaces"]
    job = _Job(
        facts["id"],
        spec,
        stdio,
        task,
        facts["pid"],
        namespaces,
        cgroup,
        body,
        flags,
        report,
        status,
        preserved,
    )
    stage1 = child.fork(lambda: _stage1(job), report)
    os.close(report)
    os.close(status)
    lines = child.read_lines(reader)
    error = b"".join(iter(lambda: os.read(result, 64), b""))
    os.close(reader)
    os.close(result)
    end = "" if any(line.startswith("P") for line in lines) else child.end_of(stage1)
    child.reap(stage1)
    return _conclude(lines, error, (spec.get("args") or [""])[0], end)


def _conclude(lines: list[str], error: bytes, name: str, end: str) -> int:
    pid = 0
    for line in lines:
        if line.startswith("P"):
            pid = int(line[1:])
    try:
        for line in lines:
            if line.startswith("E"):
                child.raise_reported(line)
        if error:
            raise command.execution_error(int.from_bytes(error[:4], "little"), name)
    except IsolationError:
        # The failed process was never shown to the caller, so it is not the caller's to reap.
        if pid:
            child.reap(pid)
        raise
    if not pid:
        raise IsolationError(f"exec {name}: the process died before it was ready: {end}")
    return pid


def _stage1(job: _Job) -> None:
    child.die_with_parent()
    child.hide()
    stdio = job.stdio
    keep = (job.report, job.status, job.task, stdio.stdin, stdio.stdout, stdio.stderr)
    child.close_others(*keep, *job.preserved)
    command.set_oom_score(job.process.get("oomScoreAdj", 0))
    child.step("cgroup")
    has_user = bool(job.namespaces & process.CLONE_NEWUSER)
    if has_user:
        _prepare_user(job)
    elif not job.cgroup.before_clone:
        job.cgroup.join()
    target = -1 if has_user else job.cgroup.descriptor(beside=job.pid)
    # From here on the root is the image's.
    child.forbid_imports()
    child.step("namespaces")
    # CLONE_INTO_CGROUP starts from a group outside of the container's cgroup namespace, and is
    # only allowed while this process is outside too: cgroup_attach_permissions().
    process.setns(job.task, job.namespaces & ~process.CLONE_NEWCGROUP)
    if has_user:
        idmap.become_root_inside()
        child.die_with_parent()
    pid = child.clone_sibling(target)
    if pid == 0:
        child.run(lambda: _process(job), job.report)
    child.say(job.report, f"P{pid}")


def _prepare_user(job: _Job) -> None:
    """Do what takes the host's rights, before a user namespace is entered: see ``userns``.

    This process joins the cgroups, and what it clones is in them: from inside it could not send
    a clone there.
    """
    from plugrun_isolation_ns.userns import give_stdio

    spec = job.process
    ids = idmap.ids_of_process(job.pid)
    give_stdio(ids, spec["user"]["uid"], job.stdio)
    command.raise_hard_rlimits(spec.get("rlimits") or [])
    for path in job.cgroup.doors(beside=job.pid):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)


def _process(job: _Job) -> None:
    child.die_with_parent()
    if job.namespaces & process.CLONE_NEWCGROUP:
        process.setns(job.task, process.CLONE_NEWCGROUP)
    child.step("descriptors")
    child.reset_signals()
    child.set_stdio(job.stdio)
    last = command.status_fd(job.preserved)
    preserved = tuple(child.above(fd, max(10, last + 1)) for fd in job.preserved)
    child.close_others(0, 1, 2, job.report, job.status, *preserved)
    child.own_session(job.stdio)
    join_keyring(job.id)
    program = child.above(trampoline.sealed_file(last), last + 1)
    status = child.above(job.status, last + 1)
    child.step("user")
    launch = command.Launch(job.process, job.seccomp, job.seccomp_flags)
    launch.become_user(terminal=job.stdio.terminal)
    child.die_with_parent()
    launch.enter_folder()
    launch.find()
    child.live_on()
    command.leave_only(status, program, job.report, preserved=preserved)
    launch.execute(program)
