"""Inside the container: from the cloned process to the command's first instruction.

Everything used here is loaded before: after pivot_root an import would run the image's code.
"""

from __future__ import annotations

import _socket
import fcntl
import os

from plugrun.api import (
    IsolationError,
    Mount,
    Stdio,
    libc,
    mountfd,
    mounting,
    process,
    record,
    runtimespec,
)

from plugrun_isolation_ns import apparmor, arch, child, command, devices, mounts, trampoline
from plugrun_isolation_ns.cgroups.view import mount_view
from plugrun_isolation_ns.root import Root, mount_root
from plugrun_isolation_ns.rules import Namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from plugrun_isolation_ns.cgroups import Cgroup, Hierarchy
    from plugrun_isolation_ns.userns import Border, Carried

_KEYCTL_JOIN_SESSION_KEYRING = 1
# Entered by ways of their own, the first as soon as the cgroups have been joined.
_LATER = (process.CLONE_NEWCGROUP, process.CLONE_NEWUSER)
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


@record
class Job:
    """All that the new processes need to know, as the caller put it together."""

    id: str
    bundle: str
    spec: dict[str, Any]
    root_path: str
    rootfs: Sequence[Mount]
    served: dict[int, int]
    stdio: Stdio
    namespaces: Namespaces
    cgroup: Cgroup
    hierarchies: Sequence[Hierarchy]
    start_fifo: str
    status_fifo: str
    report: int
    go: int
    outlives: bool
    preserved: tuple[int, ...]


class Go:
    """The caller's word that the cgroups are there, and the seccomp filter that comes with it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._data: bytes | None = None

    def wait(self) -> bytes:
        """Return the filter; end if the caller gave up or died."""
        if self._data is None:
            self._data = self.answer(int.from_bytes(self.answer(4), "little"))
        return self._data

    def answer(self, size: int) -> bytes:
        """Return so many bytes of what the caller says next; end if it gave up or died."""
        return _read_exactly(self._fd, size)


def _read_exactly(fd: int, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = os.read(fd, size - len(parts))
        if not part:
            os._exit(1)
        parts += part
    return parts


def stage1(job: Job) -> None:
    """Enter the namespaces and clone the container's process."""
    child.die_with_parent()
    child.hide()
    stdio = job.stdio
    own = (stdio.stdin, stdio.stdout, stdio.stderr, stdio.devpts)
    kept = (*job.served.values(), *job.preserved, *[fd for fd in own if fd >= 0])
    child.close_others(job.report, job.go, *kept)
    go = Go(job.go)
    child.step("namespaces")
    joined = dict(_open_joined(job.namespaces))
    border = _reach_border(job, go, joined) if job.namespaces.has_user else None
    carried = None
    if border:
        child.step("mounts")
        carried = border.carry()
        child.step("namespaces")
    for kind, fd in joined.items():
        if kind not in _LATER:
            process.setns(fd, kind)
    if border:
        border.enter()
    process.unshare(job.namespaces.new & ~sum(_LATER))
    if job.namespaces.new & process.CLONE_NEWNET:
        _loopback_up()  # whoever is told the PID may have servers begin there at once
    if job.cgroup.before_clone:
        go.wait()
    pid = child.clone_sibling(-1 if border else job.cgroup.descriptor())
    if pid == 0:
        child.run(lambda: _Init(job, go, joined, carried).run(), job.report)
    child.say(job.report, f"P{pid}")


def _reach_border(job: Job, go: Go, joined: dict[int, int]) -> Border:
    from plugrun_isolation_ns.userns import Border

    go.wait()  # what a user namespace must be entered with hangs on the cgroups
    return Border(job, joined.get(process.CLONE_NEWUSER, -1))


def _open_joined(namespaces: Namespaces) -> list[tuple[int, int]]:
    """Open all before the first is joined: the paths are of the caller's namespaces."""
    found = []
    for kind, path in namespaces.joined:
        found.append((kind, child.above(os.open(path, os.O_RDONLY | os.O_CLOEXEC), 4)))
    return found


class _Init:
    """The container's process, step by step."""

    def __init__(self, job: Job, go: Go, joined: dict[int, int], carried: Carried | None) -> None:
        self._job = job
        self._spec = job.spec
        self._linux = job.spec.get("linux") or {}
        self._go = go
        self._joined = False
        self._carried = carried
        self._state: dict[str, Any] = {}
        self._preserved = job.preserved
        self._cgroup_namespace = joined.get(process.CLONE_NEWCGROUP, -1)

    def run(self) -> None:
        """Set everything up, report, wait for the start, execute."""
        child.die_with_parent()
        child.step("descriptors")
        self._own_process()
        last = command.status_fd(self._preserved)
        start, status = self._pipes(last + 1)
        program = child.above(trampoline.sealed_file(last), last + 1)
        child.step("host name")
        self._own_namespaces()
        child.step("mounts")
        self._make_root()
        child.step("user")
        launch = self._become_user()
        child.say(self._job.report, "R")
        if self._job.outlives:
            self._go.answer(1)
            child.live_on()
        os.close(self._job.report)
        _wait_for_start(start)
        child.live_on()
        if self._state:
            self._start_hooks(status, launch, program)
        command.leave_only(status, program, preserved=self._preserved)
        self._execute(launch, program)

    def _pipes(self, lowest: int) -> tuple[int, int]:
        """Return the task's FIFOs, by which it is started and says how that went."""
        if self._carried:
            return self._carried.start, self._carried.status
        fifos = (self._job.start_fifo, self._job.status_fifo)
        start, status = (os.open(fifo, os.O_RDWR | os.O_CLOEXEC) for fifo in fifos)
        return child.above(start, lowest), child.above(status, lowest)

    def _own_process(self) -> None:
        child.reset_signals()
        self._devpts = child.set_stdio(self._job.stdio)
        keep = [fd for fd in (self._cgroup_namespace, self._devpts) if fd >= 0]
        keep += self._carried.descriptors() if self._carried else self._job.served.values()
        # Out of the way of 0 to 3, and of what is opened from here on.
        lowest = max(10, command.status_fd(self._preserved) + 1)
        self._preserved = tuple(child.above(fd, lowest) for fd in self._preserved)
        keep += self._preserved
        child.close_others(0, 1, 2, self._job.report, self._job.go, *keep)
        child.own_session(self._job.stdio)
        join_keyring(self._job.id)
        if self._carried:
            return
        command.set_oom_score(self._spec["process"].get("oomScoreAdj", 0))
        apparmor.on_execution(self._spec["process"].get("apparmorProfile") or "")

    def _own_namespaces(self) -> None:
        for name, call in (("hostname", "sethostname"), ("domainname", "setdomainname")):
            value = self._spec.get(name)
            if value:
                raw = os.fsencode(value)
                libc.check(getattr(libc.LIBC, call)(raw, len(raw)), name)

    def _make_root(self) -> None:
        spec, linux = self._spec, self._linux
        listed: list[dict[str, Any]] = spec.get("mounts") or []
        trees: Mapping[int, int]
        if self._carried:
            root, trees = self._carried_root(self._carried)
        else:
            trees = mounts.clone_connected(listed)
            mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
            root = mount_root(self._job.root_path, self._job.rootfs, self._job.served)
        mounts.mount_all(root, listed, trees, self._mount_cgroups, self._devpts)
        self._fill_dev(root, listed, self._terminal(root))
        mounts.write_sysctls(root, linux.get("sysctl") or {})
        _make_cwd(root, spec["process"].get("cwd") or "/")
        self._guard(root)
        self._join_cgroup()
        if spec.get("hooks"):
            self._create_hooks()
        root.enter()
        # Not before: pivot_root(2) moves nothing that is shared.
        propagation = mounting.PROPAGATION.get(linux.get("rootfsPropagation") or "", 0)
        if propagation:
            mounting.mount("", "/", "", propagation)
        child.forbid_imports()

    def _carried_root(self, carried: Carried) -> tuple[Root, Mapping[int, int]]:
        """Attach the root that was made before, where this user can: over the host's.

        Paths still begin at the host's root, which this process has as its own.
        """
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mountfd.attach(carried.root, top, "/")
        os.close(top)
        return Root(carried.root), carried.trees

    def _terminal(self, root: Root) -> int:
        """Return a mount of the terminal, or -1 if the container has none."""
        if not self._job.stdio.terminal:
            return -1
        if not self._carried:
            # Its path is one of this namespace now, whether the terminal is the host's or our own.
            return devices.clone_terminal()
        if self._carried.terminal >= 0:
            return self._carried.terminal
        return devices.clone_inner_terminal(root)

    def _create_hooks(self) -> None:
        """Let the caller run its hooks, then run this namespace's, while the root is the host's."""
        from plugrun_isolation_ns import hooks

        child.say(self._job.report, "H")
        pid = int.from_bytes(self._go.answer(4), "little")
        job = self._job
        self._state = hooks.state_document(job.id, "creating", pid, job.bundle, job.spec)
        hooks.run_hooks(job.spec, (hooks.CREATE_CONTAINER,), self._state)

    def _start_hooks(self, status: int, launch: command.Launch, program: int) -> None:
        """Run the image's own hooks; what fails is told where ``start`` waits for the command.

        They are the image's files, as the command is, and so have its fence and its trampoline.
        """
        from plugrun_isolation_ns import hooks  # loaded before, by _create_hooks

        try:
            state = {**self._state, "status": "created"}
            through = (launch, program, command.status_fd(self._preserved))
            hooks.run_hooks(self._spec, (hooks.START_CONTAINER,), state, through)
        except IsolationError as error:
            os.write(status, bytes(4) + error.message.encode())
            raise

    def _fill_dev(self, root: Root, listed: list[dict[str, Any]], terminal: int) -> None:
        for mount in listed:
            if mount["destination"].rstrip("/") == "/dev" and runtimespec.is_bind(mount):
                return  # the host's own /dev: not ours to change
        mask = os.umask(0)
        if self._carried:
            devices.bind_devices(root, self._carried.nodes)
        else:
            devices.make_devices(root, self._linux.get("devices") or [])
        devices.make_links(root)
        if terminal >= 0:
            devices.attach_console(root, terminal)
        os.umask(mask)

    def _guard(self, root: Root) -> None:
        masked = self._linux.get("maskedPaths") or []
        mounts.make_readonly(root, self._linux.get("readonlyPaths") or [])
        if masked:
            mounts.mask_paths(root, masked, devices.open_null(root))
        mounts.finish_root(root, readonly=bool(self._spec["root"].get("readonly")))

    def _mount_cgroups(self, root: Root, mount: dict[str, Any]) -> None:
        self._join_cgroup()
        own = bool(self._job.namespaces.new & process.CLONE_NEWCGROUP)
        mount_view(root, mount, self._job.cgroup, self._job.hierarchies, own_namespace=own)

    def _join_cgroup(self) -> None:
        """Join the cgroups once they are made; the namespace's root is what was joined before."""
        if self._joined:
            return
        child.step("cgroup")
        self._go.wait()
        try:
            if self._carried:
                for fd in self._carried.groups:
                    os.write(fd, b"0")
                    os.close(fd)
            else:
                self._job.cgroup.join()
        except OSError as error:
            raise IsolationError(f"joining the cgroup: {child.describe(error)}") from None
        if self._job.namespaces.new & process.CLONE_NEWCGROUP:
            process.unshare(process.CLONE_NEWCGROUP)
        elif self._cgroup_namespace >= 0:
            process.setns(self._cgroup_namespace, process.CLONE_NEWCGROUP)
            os.close(self._cgroup_namespace)
        self._joined = True
        child.step("mounts")

    def _become_user(self) -> command.Launch:
        flags = seccomp_flags(self._linux)
        launch = command.Launch(self._spec["process"], self._go.wait(), flags)
        launch.become_user(terminal=self._job.stdio.terminal)
        child.die_with_parent()
        launch.enter_folder()
        launch.find()
        return launch

    def _execute(self, launch: command.Launch, program: int) -> None:
        try:
            launch.execute(program)
        except OSError as error:
            os.write(command.status_fd(self._preserved), (error.errno or 1).to_bytes(4, "little"))
            raise


def _wait_for_start(fd: int) -> None:
    os.read(fd, 1)
    os.close(fd)


def seccomp_flags(linux: dict[str, Any]) -> int:
    """Return seccomp(2)'s flags; TSYNC means nothing to a process of one thread."""
    known = {"SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4}
    flags = 0
    for name in (linux.get("seccomp") or {}).get("flags") or []:
        if name != "SECCOMP_FILTER_FLAG_TSYNC" and name not in known:
            raise IsolationError(f"seccomp flag {name} is not supported")
        flags |= known.get(name, 0)
    return flags


def join_keyring(id: str) -> None:
    """Leave the caller's session keyring for a new one: keyrings have no namespace."""
    try:
        arch.call("keyctl", _KEYCTL_JOIN_SESSION_KEYRING, f"_ses.{id[:64]}".encode())
    except OSError:
        return  # a kernel without keyrings has none to leak


def _loopback_up() -> None:
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    request = b"lo".ljust(16, b"\0") + _IFF_UP.to_bytes(2, "little") + bytes(22)
    fcntl.ioctl(sock.fileno(), _SIOCSIFFLAGS, request)
    sock.close()


def _make_cwd(root: Root, cwd: str) -> None:
    """Make a missing working directory, as Docker does; what is no folder fails at chdir."""
    try:
        os.close(root.folder(cwd))
    except (NotADirectoryError, IsolationError):
        return
    except OSError as error:  # /proc/self/fd/N, where what it leads to is not the container's
        reason = (error.strerror or "").lower()
        raise IsolationError(f'chdir to cwd ("{cwd}") failed: {reason}') from None
