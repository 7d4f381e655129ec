"""The contract every isolation fulfils; see ``plugrun.interfaces.isolation``.

To use it, subclass and provide the fixtures::

    from plugrun.testing.isolation import IsolationSuite as Contract

    class TestMyIsolation(Contract):
        @pytest.fixture
        def isolation(self):  # opened with an empty state folder
            ...

It needs root. Everything is judged by its effect inside a container. The fixture ``rootfs`` is a
small root made of a static busybox where there is one, and else of this machine's own programs.
"""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugrun.engine.seccomp import default_seccomp
from plugrun.errors import (
    AlreadyExists,
    BackendUnavailable,
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    IsolationError,
    NoSuchContainer,
)
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.isolation import (
    CREATED,
    DEVICE_FENCE,
    EXEC,
    HOST_NETWORK,
    LIMIT_CPU,
    LIMIT_MEMORY,
    LIMIT_PIDS,
    RUNNING,
    STOPPED,
    Stdio,
)
from plugrun.model.mount import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.interfaces.isolation import Isolation, Task

_WORDS = frozenset((LIMIT_MEMORY, LIMIT_CPU, LIMIT_PIDS, DEVICE_FENCE, EXEC, HOST_NETWORK))
CAPABILITIES = [
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
]
_PR_SET_CHILD_SUBREAPER = 36
_ID = "0123456789ab" * 5 + "cdef"
_MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
]
_READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_DEVICES = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, -1))
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def default_spec(args: list[str]) -> dict[str, Any]:
    """Return a runtime spec with Docker's defaults for a root at ``rootfs`` in the bundle."""
    kept = dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES)
    kinds = ("mount", "pid", "ipc", "uts", "network", "cgroup")
    return {
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": "box",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": [_PATH],
            "cwd": "/",
            "capabilities": {**kept, "inheritable": [], "ambient": []},
        },
        "mounts": _mounts(),
        "linux": {
            "namespaces": [{"type": kind} for kind in kinds],
            "resources": {"devices": _device_rules()},
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READONLY),
            "seccomp": default_seccomp(frozenset(CAPABILITIES)),
        },
    }


def _mounts() -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    rows = (
        ("/proc", "proc", quiet),
        ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", terminals),
        ("/sys", "sysfs", [*quiet, "ro"]),
        ("/sys/fs/cgroup", "cgroup", [*quiet, "ro"]),
        ("/dev/mqueue", "mqueue", quiet),
        ("/dev/shm", "tmpfs", [*quiet, "mode=1777", "size=67108864"]),
    )
    return [
        {"destination": path, "type": kind, "source": kind, "options": list(options)}
        for path, kind, options in rows
    ]


def _device_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    rules += [{"allow": True, "type": kind, "access": "m"} for kind in "cb"]
    for major, minor in _DEVICES:
        rule = {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        rules.append(rule)
    return rules


def make_rootfs(path: str) -> None:
    """Make a small root: busybox if it is static, else this machine's programs, bound."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "usr"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    busybox = shutil.which("busybox")
    if busybox is None or not _is_static(busybox):
        pytest.skip("no static busybox here: install busybox-static")
    shutil.copy(busybox, os.path.join(path, "bin/busybox"))
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(path, "bin", name))


def _is_static(program: str) -> bool:
    with open(program, "rb") as stream:
        return b"/ld-linux" not in stream.read(4096) and b"/ld-musl" not in stream.read(4096)


def syscall_program(number: int) -> bytes:
    """Return a static ELF program that makes a system call with zeros and exits with its errno."""
    low = number.to_bytes(4, "little")
    machine = os.uname().machine
    if machine == "x86_64":
        # mov eax, number; xor edi, esi, edx; syscall; neg eax; mov edi, eax; exit_group
        code = b"\xb8" + low + bytes.fromhex("31ff31f631d20f05f7d889c7b8e70000000f05")
        kind = 62
    else:
        # mov x8, number; x0 = x1 = x2 = 0; svc; neg w0, w0; exit_group
        move = (0xD2800008 | number << 5).to_bytes(4, "little")
        code = move + bytes.fromhex("000080d2010080d2020080d2010000d4e003004bc80b80d2010000d4")
        kind = 183
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + _words(2, (2, kind)) + _words(4, (1,))
    head += _words(8, (0x400078, 64, 0)) + _words(4, (0,)) + _words(2, (64, 56, 1, 0, 0, 0))
    size = 120 + len(code)
    return head + _words(4, (1, 5)) + _words(8, (0, 0x400000, 0x400000, size, size, 4096)) + code


def _words(width: int, values: tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(width, "little") for value in values)


class Bundle:
    """A bundle on disk, and containers made of it."""

    def __init__(self, isolation: Isolation, path: str) -> None:
        self.isolation = isolation
        self.path = path
        self.root = os.path.join(path, "rootfs")
        self.mounts: tuple[Mount, ...] = ()
        self.made: dict[str, int] = {}

    def write(self, spec: dict[str, Any]) -> None:
        """Write config.json."""
        with open(os.path.join(self.path, "config.json"), "w", encoding="utf-8") as stream:
            json.dump(spec, stream)

    def create(self, spec: dict[str, Any], id: str = _ID) -> tuple[Task, int]:
        """Create a container; return its task and the reading end of its output."""
        self.write(spec)
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            stdio = Stdio(null, writer, writer)
            task = self.isolation.create(id, self.path, stdio, self.mounts)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            os.close(null)
        self.made[id] = task.pid
        return task, reader

    def launch(self, spec: dict[str, Any], id: str = _ID) -> tuple[Task, int]:
        """Create and start."""
        task, reader = self.create(spec, id)
        try:
            self.isolation.start(id)
        except BaseException:
            os.close(reader)
            raise
        return task, reader

    def run(self, spec: dict[str, Any], id: str = _ID) -> tuple[int, str]:
        """Run to the end; return exit code (128 + signal) and output."""
        task, reader = self.launch(spec, id)
        output = _read(reader)
        code = _reap(task.pid)
        self.isolation.delete(id)
        del self.made[id]
        return code, output

    def shell(self, script: str, **changes: Any) -> tuple[int, str]:
        """Run a script under the default spec; ``changes`` go into ``process``."""
        spec = default_spec(["sh", "-c", script])
        spec["process"].update(changes)
        return self.run(spec)

    def close(self) -> None:
        """Remove what a failed test left."""
        for id, pid in self.made.items():
            if id in self.isolation.tasks():
                self.isolation.delete(id, force=True)
            _reap(pid)


def _read(fd: int) -> str:
    with open(fd, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _reap(pid: int) -> int:
    try:
        status = os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return -1
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class IsolationSuite:
    """Inherit, provide the fixture, run."""

    @pytest.fixture
    def isolation(self) -> Isolation:
        """Return an opened isolation with an empty state folder."""
        raise NotImplementedError("a subclass provides the fixture `isolation`")

    @pytest.fixture
    def rootfs(self, tmp_path: Any) -> str:
        """Return a root file system of the test's own."""
        path = str(tmp_path / "bundle" / "rootfs")
        make_rootfs(path)
        return path

    @pytest.fixture
    def bundle(self, isolation: Isolation, rootfs: str) -> Iterator[Bundle]:
        """Return the bundle around ``rootfs``; this process is a subreaper meanwhile."""
        if os.geteuid() != 0:
            pytest.skip("isolation needs root")
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        made = Bundle(isolation, os.path.dirname(rootfs))
        try:
            yield made
        finally:
            made.close()
            # Or it would collect the orphans of all tests after this one, and reap none.
            prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    # What it says of itself

    def test_declares_known_capabilities(self, isolation: Isolation) -> None:
        assert isolation.capabilities <= _WORDS

    def test_probe_answers(self, isolation: Isolation) -> None:
        found = isolation.probe()
        assert isinstance(found, Probe)
        assert found.works or (found.reason and found.remedy)

    # The life of a task

    def test_life(self, bundle: Bundle) -> None:
        task, reader = bundle.create(default_spec(["sleep", "60"]))
        isolation = bundle.isolation
        assert isolation.state(_ID).status == CREATED
        assert list(isolation.tasks()) == [_ID]
        isolation.start(_ID)
        found = isolation.state(_ID)
        assert (found.status, found.pid, found.started) == (RUNNING, task.pid, task.started)
        assert found.bundle == bundle.path
        isolation.kill(_ID, signal.SIGKILL)
        assert _reap(task.pid) == 137
        assert isolation.state(_ID).status == STOPPED
        isolation.delete(_ID)
        assert list(isolation.tasks()) == []
        os.close(reader)

    def test_nothing_runs_before_start(self, bundle: Bundle) -> None:
        _, reader = bundle.create(default_spec(["touch", "/tmp/ran"]))
        assert not os.path.exists(os.path.join(bundle.root, "tmp/ran"))
        bundle.isolation.start(_ID)
        _read(reader)
        assert os.path.exists(os.path.join(bundle.root, "tmp/ran"))

    def test_exit_code_reaches_the_caller(self, bundle: Bundle) -> None:
        assert bundle.shell("exit 7") == (7, "")

    def test_a_second_start_is_a_conflict(self, bundle: Bundle) -> None:
        _, reader = bundle.launch(default_spec(["sleep", "60"]))
        with pytest.raises(Conflict):
            bundle.isolation.start(_ID)
        os.close(reader)

    def test_an_id_is_taken_once(self, bundle: Bundle) -> None:
        _, reader = bundle.create(default_spec(["true"]))
        with pytest.raises(AlreadyExists):
            bundle.isolation.create(_ID, bundle.path, Stdio(0, 1, 2))
        assert bundle.isolation.state(_ID).status == CREATED
        os.close(reader)

    def test_kill_of_a_stopped_task_is_a_conflict(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["true"]))
        _read(reader)
        _reap(task.pid)
        with pytest.raises(Conflict):
            bundle.isolation.kill(_ID, signal.SIGTERM)

    def test_kill_everyone(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["sh", "-c", "sleep 60 & echo up; wait"]))
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.kill(_ID, signal.SIGKILL, everyone=True)
        assert _reap(task.pid) == 137
        assert _read(reader) == ""

    def test_signals_arrive(self, bundle: Bundle) -> None:
        script = "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 1; done"
        task, reader = bundle.launch(default_spec(["sh", "-c", script]))
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.kill(_ID, signal.SIGTERM)
        assert _reap(task.pid) == 3
        assert _read(reader) == "got\n"

    def test_delete_of_a_running_task_needs_force(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        with pytest.raises(Conflict):
            bundle.isolation.delete(_ID)
        bundle.isolation.delete(_ID, force=True)
        assert _reap(task.pid) == 137
        os.close(reader)

    def test_unknown_ids(self, isolation: Isolation) -> None:
        for verb in (isolation.state, isolation.delete, isolation.start):
            with pytest.raises(NoSuchContainer):
                verb(_ID)
        with pytest.raises(NoSuchContainer):
            isolation.kill(_ID, signal.SIGTERM)

    def test_the_bundle_is_not_changed(self, bundle: Bundle) -> None:
        assert bundle.shell("true")[0] == 0
        assert sorted(os.listdir(bundle.path)) == ["config.json", "rootfs"]

    def test_a_creator_killed_at_any_moment_leaves_nothing(self, bundle: Bundle) -> None:
        bundle.write(default_spec(["sleep", "60"]))
        for delay in range(0, 30, 2):
            creator = os.fork()
            if creator == 0:
                self._create_and_wait(bundle)
            time.sleep(delay / 1000)  # no event: the moment is what is varied
            os.kill(creator, signal.SIGKILL)
            os.waitpid(creator, 0)
            for id in bundle.isolation.tasks():
                bundle.isolation.delete(id, force=True)
            # Its processes, adopted by this one, have ended or are about to.
            while _reap_any():
                pass
            assert list(bundle.isolation.tasks()) == []
        assert bundle.shell("echo fine") == (0, "fine\n")

    def _create_and_wait(self, bundle: Bundle) -> None:
        try:
            bundle.isolation.create(_ID, bundle.path, Stdio(0, 1, 2))
            signal.pause()
        finally:
            os._exit(1)

    # What the process sees

    def test_namespaces(self, bundle: Bundle) -> None:
        code, output = bundle.shell("hostname; echo $$; ls /proc | grep -c '^[0-9]'; ip -o link")
        lines = output.splitlines()
        assert code == 0
        assert lines[:2] == ["box", "1"]
        assert int(lines[2]) <= 3
        assert len(lines) == 4
        assert "lo" in lines[3]
        assert "UP" in lines[3]

    def test_the_root_is_the_bundles(self, bundle: Bundle) -> None:
        code, output = bundle.shell("ls /; echo mine > /tmp/file; mount | wc -l")
        assert code == 0
        assert "rootfs" not in output
        with open(os.path.join(bundle.root, "tmp/file"), encoding="utf-8") as stream:
            assert stream.read() == "mine\n"
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            assert bundle.root not in stream.read()

    def test_a_readonly_root(self, bundle: Bundle) -> None:
        spec = default_spec(["sh", "-c", "touch /tmp/file; touch /dev/shm/file && echo shm"])
        spec["root"]["readonly"] = True
        output = bundle.run(spec)[1]
        assert "Read-only file system" in output
        assert "shm" in output

    def test_rootfs_mounts_are_performed_inside(self, bundle: Bundle, tmp_path: Any) -> None:
        layers = [str(tmp_path / name) for name in ("lower", "upper", "work", "empty")]
        for layer in layers:
            os.mkdir(layer)
        shutil.copytree(bundle.root, layers[0], dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(bundle.root)
        os.mkdir(bundle.root)
        options = (f"lowerdir={layers[0]}", f"upperdir={layers[1]}", f"workdir={layers[2]}")
        bundle.write(default_spec(["sh", "-c", "echo up > /tmp/new"]))
        mounts = (Mount("overlay", "overlay", options),)
        task = bundle.isolation.create(_ID, bundle.path, Stdio(0, 1, 2), mounts)
        bundle.made[_ID] = task.pid
        bundle.isolation.start(_ID)
        assert _reap(task.pid) == 0
        assert os.listdir(bundle.root) == []
        assert os.path.exists(os.path.join(layers[1], "tmp/new"))

    def test_bind_mounts(self, bundle: Bundle, tmp_path: Any) -> None:
        folder, file = tmp_path / "folder", tmp_path / "file"
        folder.mkdir()
        file.write_text("content\n")
        spec = default_spec(["sh", "-c", "cat /new/file; touch /made/x; touch /new/file"])
        spec["mounts"] += [
            {"destination": "/made", "type": "bind", "source": str(folder), "options": ["rbind"]},
            {
                "destination": "/new/file",
                "type": "bind",
                "source": str(file),
                "options": ["bind", "ro"],
            },
        ]
        code, output = bundle.run(spec)
        assert output.startswith("content\n")
        assert "Read-only file system" in output
        assert code != 0
        assert (folder / "x").exists()

    def test_a_missing_bind_source_is_named(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        spec["mounts"].append({"destination": "/x", "type": "bind", "source": "/no/such"})
        with pytest.raises(IsolationError, match="/no/such"):
            bundle.create(spec)
        assert list(bundle.isolation.tasks()) == []

    def test_masked_and_readonly_paths(self, bundle: Bundle) -> None:
        script = "cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l; echo 1 > /proc/sys/vm/x"
        output = bundle.shell(script)[1].splitlines()
        assert output[:2] == ["0", "0"]
        assert "nonexistent" in output[2] or "Read-only" in output[2] or "create" in output[2]
        output = bundle.shell("echo 1 > /proc/sys/kernel/panic")[1].splitlines()
        assert "Read-only file system" in output[0]

    def test_devices(self, bundle: Bundle) -> None:
        script = (
            "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done;"
            "test -e /dev/ptmx && readlink /dev/fd && echo x > /dev/null; stat -c %a /dev/null"
        )
        assert bundle.shell(script) == (0, "/proc/self/fd\n666\n")

    def test_descriptors(self, bundle: Bundle) -> None:
        extra = os.open("/", os.O_RDONLY)
        os.set_inheritable(extra, True)
        try:
            code, output = bundle.shell("exec ls /proc/self/fd")
        finally:
            os.close(extra)
        # The last is ls's own, of the folder it lists.
        assert (code, output.split()) == (0, ["0", "1", "2", "3"])

    def test_the_caller_keeps_its_descriptors(self, bundle: Bundle) -> None:
        bundle.shell("true")
        before = len(os.listdir("/proc/self/fd"))
        bundle.shell("true")
        with pytest.raises(CommandNotFound):
            bundle.create(default_spec(["no-such-command"]))
        assert len(os.listdir("/proc/self/fd")) == before

    def test_standard_streams_in_any_order(self, bundle: Bundle) -> None:
        bundle.write(default_spec(["sh", "-c", "cat; echo err >&2"]))
        inside, out, err = os.pipe(), os.pipe(), os.pipe()
        os.write(inside[1], b"in\n")
        os.close(inside[1])
        task = bundle.isolation.create(_ID, bundle.path, Stdio(inside[0], out[1], err[1]))
        bundle.made[_ID] = task.pid
        for fd in (inside[0], out[1], err[1]):
            os.close(fd)
        bundle.isolation.start(_ID)
        assert (_read(out[0]), _read(err[0])) == ("in\n", "err\n")

    def test_a_terminal(self, bundle: Bundle) -> None:
        script = "tty; test -c /dev/console && echo console; echo there > /dev/tty"
        bundle.write(default_spec(["sh", "-c", script]))
        master, replica = os.openpty()
        stdio = Stdio(replica, replica, replica, terminal=True)
        task = bundle.isolation.create(_ID, bundle.path, stdio)
        bundle.made[_ID] = task.pid
        os.close(replica)
        bundle.isolation.start(_ID)
        assert _reap(task.pid) == 0
        output = os.read(master, 4096).decode()
        os.close(master)
        assert "console" in output
        assert "there" in output

    # What the process may do

    def test_capabilities(self, bundle: Bundle) -> None:
        output = bundle.shell("grep Cap /proc/self/status")[1].split()
        sets = dict(zip(output[::2], output[1::2], strict=True))
        for name in ("CapPrm:", "CapEff:", "CapBnd:"):
            assert int(sets[name], 16) == 0xA80425FB
        assert int(sets["CapInh:"], 16) == int(sets["CapAmb:"], 16) == 0

    def test_an_ordinary_user(self, bundle: Bundle) -> None:
        user = {"uid": 1000, "gid": 1001, "additionalGids": [7, 8]}
        code, output = bundle.shell("id; umask; grep CapEff /proc/self/status", user=user)
        assert code == 0
        assert "uid=1000 gid=1001 groups=" in output.replace(",1001", "")
        assert "7" in output
        assert "0022" in output
        assert output.split()[-1] == "0" * 16

    def test_ambient_capabilities(self, bundle: Bundle) -> None:
        names = ["CAP_NET_BIND_SERVICE"]
        sets = dict.fromkeys(
            ("bounding", "effective", "permitted", "inheritable", "ambient"), names
        )
        user = {"uid": 1000, "gid": 1000}
        output = bundle.shell("grep CapEff /proc/self/status", user=user, capabilities=sets)[1]
        assert int(output.split()[1], 16) == 1 << 10

    def test_no_new_privileges(self, bundle: Bundle) -> None:
        output = bundle.shell("grep NoNewPrivs /proc/self/status", noNewPrivileges=True)[1]
        assert output.split() == ["NoNewPrivs:", "1"]

    def test_rlimits(self, bundle: Bundle) -> None:
        limits = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}]
        assert bundle.shell("ulimit -n; ulimit -Hn", rlimits=limits) == (0, "64\n128\n")

    def test_environment_and_folder(self, bundle: Bundle) -> None:
        output = bundle.shell("pwd; env", cwd="/etc", env=[_PATH, "A=b=c"])[1]
        assert output.splitlines()[0] == "/etc"
        assert "A=b=c" in output

    def test_a_bad_working_directory_is_named(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        spec["process"]["cwd"] = "/bin/busybox"
        with pytest.raises(IsolationError, match="/bin/busybox"):
            bundle.create(spec)

    def test_denied_system_calls(self, bundle: Bundle) -> None:
        code, output = bundle.shell("unshare -m true")
        assert code != 0
        assert "Operation not permitted" in output

    @pytest.mark.parametrize(("number", "expected"), [(1000, errno.ENOSYS), (435, errno.ENOSYS)])
    def test_unknown_system_calls(self, bundle: Bundle, number: int, expected: int) -> None:
        program = os.path.join(bundle.root, "bin/probe")
        with open(program, "wb") as stream:
            stream.write(syscall_program(number))
        os.chmod(program, 0o755)
        assert bundle.run(default_spec(["/bin/probe"]))[0] == expected

    def test_sysctls(self, bundle: Bundle) -> None:
        spec = default_spec(["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"])
        spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77"}
        assert bundle.run(spec) == (0, "77\n")

    # Commands that fail

    @pytest.mark.parametrize(
        ("command", "error", "text"),
        [
            ("nothing-here", CommandNotFound, "executable file not found in $PATH"),
            ("/no/such", CommandNotFound, "no such file or directory"),
            ("/etc", CommandNotExecutable, "is a directory"),
            ("/tmp/plain", CommandNotExecutable, "permission denied"),
            ("/tmp/garbage", CommandNotExecutable, "exec format error"),
            ("/tmp/lost", CommandNotFound, "no such file or directory"),
        ],
    )
    def test_commands_that_fail(
        self, bundle: Bundle, command: str, error: type[IsolationError], text: str
    ) -> None:
        files = {"plain": ("", 0o644), "garbage": ("\1\2\3", 0o755), "lost": ("#!/no/sh\n", 0o755)}
        for name, (content, mode) in files.items():
            path = os.path.join(bundle.root, "tmp", name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(path, mode)
        with pytest.raises(error) as caught:
            bundle.launch(default_spec([command]))
        assert text in caught.value.message
        assert type(caught.value) is error

    # exec

    def _running(self, bundle: Bundle) -> dict[str, Any]:
        if EXEC not in bundle.isolation.capabilities:
            pytest.skip("cannot execute in a running container")
        spec = default_spec(["sleep", "60"])
        _, reader = bundle.launch(spec)
        os.close(reader)
        process: dict[str, Any] = spec["process"]
        return process

    def _exec(self, bundle: Bundle, process: dict[str, Any]) -> tuple[int, str]:
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            pid = bundle.isolation.exec(_ID, process, Stdio(null, writer, writer))  # type: ignore[arg-type]
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            os.close(null)
        return _reap(pid), _read(reader)

    def test_exec(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        script = "hostname; tr '\\0' ' ' < /proc/1/cmdline; echo; grep CapEff /proc/self/status"
        code, output = self._exec(bundle, {**process, "args": ["sh", "-c", script + "; exit 4"]})
        lines = output.splitlines()
        assert code == 4
        assert lines[0] == "box"
        assert lines[1].startswith("sleep 60")
        assert int(lines[2].split()[1], 16) == 0xA80425FB

    def test_exec_is_fenced_in_too(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        script = (
            "cat /proc/1/cgroup /proc/self/cgroup | sort -u | wc -l; cat /proc/1/cgroup | wc -l"
        )
        output = self._exec(bundle, {**process, "args": ["sh", "-c", script]})[1].split()
        assert output[0] == output[1]
        code, text = self._exec(bundle, {**process, "args": ["unshare", "-m", "true"]})
        assert code != 0
        assert "Operation not permitted" in text
        output = self._exec(bundle, {**process, "args": ["ls", "/proc/self/fd"]})[1].split()
        assert output == ["0", "1", "2", "3"]

    def test_exec_with_a_terminal(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        master, replica = os.openpty()
        stdio = Stdio(replica, replica, replica, terminal=True)
        process = {**process, "args": ["sh", "-c", "echo there > /dev/tty"]}
        pid = bundle.isolation.exec(_ID, process, stdio)  # type: ignore[arg-type]
        os.close(replica)
        assert _reap(pid) == 0
        assert b"there" in os.read(master, 4096)
        os.close(master)

    def test_exec_that_fails(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        with pytest.raises(CommandNotFound, match="executable file not found"):
            self._exec(bundle, {**process, "args": ["nothing-here"]})
        with pytest.raises(CommandNotExecutable, match="is a directory"):
            self._exec(bundle, {**process, "args": ["/etc"]})
        assert bundle.isolation.state(_ID).status == RUNNING

    def test_exec_needs_a_running_task(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        bundle.isolation.kill(_ID, signal.SIGKILL)
        _reap(bundle.made[_ID])
        with pytest.raises(Conflict):
            self._exec(bundle, process)

    # Limits

    def _limited(self, bundle: Bundle, word: str, script: str, **resources: Any) -> dict[str, Any]:
        if word not in bundle.isolation.capabilities:
            pytest.skip(f"has no {word} here")
        spec = default_spec(["sh", "-c", script])
        spec["linux"]["resources"].update(resources)
        return spec

    def test_memory_limit_and_its_count(self, bundle: Bundle) -> None:
        size = 16 << 20
        script = "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $?"
        memory = {"limit": size, "swap": size}
        task, reader = bundle.launch(self._limited(bundle, LIMIT_MEMORY, script, memory=memory))
        assert _read(reader).strip() == "137"
        _reap(task.pid)
        counter = bundle.isolation.state(_ID).oom_counter
        with open(counter, encoding="utf-8") as stream:
            counts = dict(line.split() for line in stream)
        assert int(counts["oom_kill"]) >= 1

    def test_pids_limit(self, bundle: Bundle) -> None:
        script = "for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait"
        spec = self._limited(bundle, LIMIT_PIDS, script, pids={"limit": 4})
        assert "can't fork" in bundle.run(spec)[1]

    def test_cpu_limit(self, bundle: Bundle) -> None:
        script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; cat /proc/self/stat"
        limits = {"quota": 5000, "period": 100000}
        spec = self._limited(bundle, LIMIT_CPU, script, cpu=limits)
        before = time.monotonic()
        fields = bundle.run(spec)[1].split()
        used = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        assert time.monotonic() - before > 4 * used - 0.2

    def test_an_impossible_limit_is_refused(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        spec["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "3KB", "limit": 1}]
        with pytest.raises(BackendUnavailable) as caught:
            bundle.create(spec)
        assert caught.value.hint
        assert list(bundle.isolation.tasks()) == []

    def test_denied_devices(self, bundle: Bundle) -> None:
        script = "mknod /dev/x c 10 200 && exec 3< /dev/x"
        spec = self._limited(bundle, DEVICE_FENCE, script)
        assert "Operation not permitted" in bundle.run(spec)[1]

    # Images that mean harm

    @pytest.mark.parametrize("name", ["proc", "dev", "sys"])
    @pytest.mark.parametrize("relative", [False, True])
    def test_hostile_links(
        self, bundle: Bundle, tmp_path: Any, name: str, *, relative: bool
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        target = "../" * 30 + str(outside) if relative else str(outside)
        os.rmdir(os.path.join(bundle.root, name))
        os.symlink(target, os.path.join(bundle.root, name))
        before = set(os.listdir("/dev"))
        try:
            bundle.shell("true")
        except IsolationError:
            assert list(bundle.isolation.tasks()) == []
        assert list(outside.iterdir()) == []
        assert set(os.listdir("/dev")) == before

    @pytest.mark.parametrize("place", ["dev/null", "dev/console", "dev/pts", "etc/hosts"])
    def test_hostile_mount_points(self, bundle: Bundle, tmp_path: Any, place: str) -> None:
        outside = tmp_path / "outside"
        outside.write_text("untouched")
        spec = default_spec(["true"])
        spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/dev"]
        file = tmp_path / "hosts"
        file.write_text("hosts")
        spec["mounts"].append({"destination": "/etc/hosts", "type": "bind", "source": str(file)})
        os.symlink(str(outside), os.path.join(bundle.root, place))
        try:
            bundle.run(spec)
        except IsolationError:
            assert list(bundle.isolation.tasks()) == []
        assert outside.read_text() == "untouched"

    def test_the_hosts_interpreter_is_out_of_reach(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        own = os.readlink("/proc/self/exe")
        assert os.readlink(f"/proc/{task.pid}/exe") != own
        os.close(reader)


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True
