"""Namespaces and cgroups keep the contract of isolation."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.interfaces.isolation import LIMIT_IO, LIMIT_MEMORY, Stdio
from plugrun.linux.devpts import open_own_pty
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child
from plugrun.testing.isolation import Bundle, default_spec
from plugrun.testing.isolation import IsolationSuite as Contract
from plugrun.testing.isolation.bundle import ID
from plugrun.testing.isolation.early import is_loopback_up
from plugrun.testing.isolation.sharing import without
from plugrun_isolation_ns import child, command, init
from plugrun_isolation_ns.cgroups import choose, hierarchies
from plugrun_isolation_ns.isolation import NamespaceIsolation
from plugrun_isolation_ns.plugin import plugrun_options

from tests.contract.isolation_ns import PARENT, cgroup_folders, opened

pytestmark = pytest.mark.cgroups


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[int]:
    """Yield the number of a disk of 4 MB that nobody else uses: a loop device over a file."""
    image = tmp_path / "disk"
    image.write_bytes(b"\0" * (4 << 20))
    command = ["losetup", "--find", "--show", str(image)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no loop device can be had here: {made.stderr.strip()}")
    name = made.stdout.strip()
    yield os.stat(name).st_rdev
    subprocess.run(["losetup", "--detach", name], check=True)


class TestNamespaces(Contract):
    @pytest.fixture
    def isolation(self, tmp_path):
        with opened(str(tmp_path / "state")) as isolation:
            yield isolation

    def test_state_is_all_beneath_its_folder(self, bundle: Bundle, tmp_path):
        bundle.shell("true")
        assert os.listdir(tmp_path / "state") == [".seccomp"]

    def test_options(self):
        assert {option.name for option in plugrun_options()} == {"cgroup_version", "cgroup_parent"}

    def test_a_foreign_cgroup_is_left_alone(self, bundle: Bundle, foreign: str):
        spec = default_spec(["true"])
        spec["linux"]["cgroupsPath"] = f"/{PARENT}/foreign"
        os.mkdir(f"{foreign}/inner")
        with pytest.raises(IsolationError, match="exists already"):
            bundle.create(spec)
        assert cgroup_folders(f"/{PARENT}/foreign/inner") == [f"{foreign}/inner"]
        os.rmdir(f"{foreign}/inner")
        assert bundle.isolation.tasks() == ()

    def test_an_empty_cgroup_is_used_and_stays(self, bundle: Bundle, foreign: str):
        """delete must not remove what create did not make: runtime.md, "Delete"."""
        spec = default_spec(["cat", "/proc/self/cgroup"])
        kinds = spec["linux"]["namespaces"]
        spec["linux"]["namespaces"] = [kind for kind in kinds if kind["type"] != "cgroup"]
        spec["linux"]["cgroupsPath"] = f"/{PARENT}/foreign"
        if choose(hierarchies(), "auto") == "v2":
            with pytest.raises(IsolationError, match="exists already"):
                bundle.create(spec)
            return
        assert f":/{PARENT}/foreign\n" in bundle.run(spec)[1]
        assert cgroup_folders(f"/{PARENT}/foreign") == [foreign]

    @pytest.fixture
    def foreign(self, isolation) -> Iterator[str]:
        """A group of somebody else's in one hierarchy."""
        usable = [h for h in hierarchies() if "pids" in h.controllers] or hierarchies()
        folder = f"{usable[0].mountpoint}/{PARENT}/foreign"
        os.makedirs(folder)
        yield folder
        os.rmdir(folder)

    def test_a_parent_that_a_killed_creator_left_half_made(self, bundle: Bundle):
        """A v1 cpuset is born empty, and nothing could join what inherits from it."""
        for hierarchy in hierarchies():
            if "cpuset" in hierarchy.controllers:
                os.mkdir(f"{hierarchy.mountpoint}/{PARENT}")
        assert bundle.shell("true") == (0, "")

    def test_cgroups_of_the_container_itself_go_with_it(self, bundle: Bundle):
        spec = default_spec(["sh", "-c", "mkdir /sys/fs/cgroup/*/inner /sys/fs/cgroup/inner"])
        for mount in spec["mounts"]:
            if mount["type"] == "cgroup":
                mount["options"].remove("ro")
        bundle.run(spec)

    def test_a_hundred_layers(self, bundle: Bundle, tmp_path):
        prefix = tmp_path / ("long-" * 20)
        layers = [prefix / f"{number:03}" / "fs" for number in range(100)]
        for layer in layers:
            layer.mkdir(parents=True)
        (layers[50] / "proof").write_text("here\n")
        lower = ":".join([*map(str, layers), bundle.root])
        top = [str(tmp_path / name) for name in ("upper", "work")]
        for folder in top:
            os.mkdir(folder)
        options = (f"lowerdir={lower}", f"upperdir={top[0]}", f"workdir={top[1]}")
        spec = default_spec(["cat", "/proof"])
        bundle.write(spec)
        bundle.mounts = (Mount("overlay", "overlay", options),)
        assert bundle.run(spec) == (0, "here\n")

    def test_joins_a_namespace_by_path(self, bundle: Bundle):
        spec = default_spec(["readlink", "/proc/self/ns/net"])
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = "/proc/self/ns/net"
        assert bundle.run(spec)[1].strip() == os.readlink("/proc/self/ns/net")

    def test_shares_the_hosts_network_without_a_namespace(self, bundle: Bundle):
        spec = default_spec(["readlink", "/proc/self/ns/net"])
        kinds = spec["linux"]["namespaces"]
        spec["linux"]["namespaces"] = [kind for kind in kinds if kind["type"] != "network"]
        assert bundle.run(spec)[1].strip() == os.readlink("/proc/self/ns/net")

    def test_refuses_what_it_does_not_do(self, bundle: Bundle):
        spec = default_spec(["true"])
        spec["process"]["selinuxLabel"] = "some"
        with pytest.raises(BackendUnavailable, match="selinuxLabel"):
            bundle.create(spec)

    def test_apparmor(self, bundle: Bundle):
        spec = default_spec(["true"])
        spec["process"]["apparmorProfile"] = "unconfined"
        assert bundle.run(spec) == (0, "")
        spec["process"]["apparmorProfile"] = "no-such-profile"
        with pytest.raises((BackendUnavailable, IsolationError), match="no-such-profile"):
            bundle.create(spec)
        assert bundle.isolation.tasks() == ()

    @pytest.mark.parametrize("name", ["proc", "sys", "dev"])
    @pytest.mark.parametrize("target", ["/etc", "../../outside", "bin/busybox", ""])
    def test_a_link_in_the_place_of_the_kernels_folders(
        self, bundle: Bundle, name: str, target: str
    ):
        """As in Docker, what the image has there makes room for a folder."""
        place = os.path.join(bundle.root, name)
        os.rmdir(place)
        if target:
            os.symlink(target, place)
        else:
            with open(place, "w", encoding="utf-8"):
                pass
        kinds = {"proc": "self", "sys": "kernel", "dev": "null"}
        assert bundle.shell(f"ls -d /{name}/{kinds[name]}") == (0, f"/{name}/{kinds[name]}\n")
        assert not os.path.islink(place)
        assert os.path.isdir(place)

    @pytest.mark.parametrize("user", [0, 1000])
    def test_a_terminal_has_its_name_inside(self, bundle: Bundle, user: int):
        script = "tty; readlink /proc/self/fd/1; stat -c '%t:%T %u' /dev/console"
        spec = default_spec(["sh", "-c", f"{script}; echo open > /dev/pts/0"])
        spec["process"]["user"]["uid"] = user
        bundle.write(spec)
        master, replica, devpts = open_own_pty()
        stdio = Stdio(replica, replica, replica, terminal=True, devpts=devpts)
        task = bundle.isolation.create("own-terminal", bundle.path, stdio)
        bundle.made["own-terminal"] = task.pid
        os.close(replica)
        os.close(devpts)
        bundle.isolation.start("own-terminal")
        assert os.waitpid(task.pid, 0)[1] == 0
        output = b""
        with suppress(OSError):  # EIO: nobody has the other end any more
            while part := os.read(master, 4096):
                output += part
        os.close(master)
        pts = "/dev/pts/0"
        assert output.decode().split() == [pts, pts, "88:0", str(user), "open"]

    def test_without_the_oom_killer_processes_wait(self, bundle: Bundle):
        if LIMIT_MEMORY not in bundle.isolation.capabilities:
            pytest.skip("no controller memory")
        # In user space: where the kernel itself fills memory for a process, it gives up instead.
        spec = default_spec(["sh", "-c", "x=more; while :; do x=$x$x; done"])
        limit = {"limit": 16 << 20, "swap": 16 << 20, "disableOOMKiller": True}
        spec["linux"]["resources"]["memory"] = limit
        if choose(hierarchies(), "auto") == "v2":
            with pytest.raises(BackendUnavailable, match="disableOOMKiller"):
                bundle.create(spec)
            return
        task, reader = bundle.launch(spec)
        with open(task.oom_counter, encoding="utf-8") as stream:
            while "under_oom 1" not in stream.read():
                assert bundle.isolation.state(task.id).status == "running"
                stream.seek(0)
        bundle.isolation.delete(task.id, force=True)
        os.close(reader)

    def test_reading_is_throttled(self, bundle: Bundle, disk: int):
        if LIMIT_IO not in bundle.isolation.capabilities:
            pytest.skip("no controller for reading from a disk")
        major, minor = os.major(disk), os.minor(disk)
        script = "dd if=/dev/disk of=/dev/null bs=64k count=16 iflag=direct 2>&1"
        spec = default_spec(["sh", "-c", script])
        numbers = {"major": major, "minor": minor}
        spec["linux"]["devices"] = [{"path": "/dev/disk", "type": "b", **numbers}]
        resources = spec["linux"]["resources"]
        resources["devices"].append({"allow": True, "type": "b", **numbers, "access": "r"})
        resources["blockIO"] = {"throttleReadBpsDevice": [{**numbers, "rate": 1 << 20}]}
        before = time.monotonic()
        code, output = bundle.run(spec)
        if "nvalid" in output:
            pytest.skip("this dd reads no other way than through the cache")
        assert (code, output.count("16+0")) == (0, 2), output
        assert time.monotonic() - before > 0.5

    def test_a_script_of_proc_self_exe_meets_the_trampoline(self, bundle: Bundle):
        """CVE-2019-5736: nowhere on the way to the command is the interpreter executable."""
        script = os.path.join(bundle.root, "bin/evil")
        with open(script, "w", encoding="utf-8") as stream:
            stream.write("#!/proc/self/exe\nimport os\nprint('python')\n")
        os.chmod(script, 0o755)
        task, reader = bundle.launch(default_spec(["/bin/evil"]))
        bundle.isolation.delete(task.id, force=True)
        with open(reader, encoding="utf-8") as stream:
            assert stream.read() == ""

    @pytest.mark.parametrize("no_new_privs", [False, True])
    def test_a_filter_for_an_ordinary_user(self, bundle: Bundle, *, no_new_privs: bool):
        script = "grep -E 'Seccomp:|CapPrm|NoNewPrivs' /proc/self/status; unshare -m true"
        user = {"uid": 1000, "gid": 1000}
        output = bundle.shell(script, user=user, noNewPrivileges=no_new_privs)[1]
        words = dict(line.split()[:2] for line in output.splitlines()[:3])
        assert words["Seccomp:"] == "2"
        assert words["NoNewPrivs:"] == str(int(no_new_privs))
        assert int(words["CapPrm:"], 16) == 0
        assert "Operation not permitted" in output

    def test_a_filter_without_execveat(self, bundle: Bundle):
        spec = default_spec(["echo", "fine"])
        rule = {"names": ["execveat", "setuid", "mount"], "action": "SCMP_ACT_ERRNO"}
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
        assert bundle.run(spec) == (0, "fine\n")

    def test_the_hosts_processes_share_a_pid_namespace_if_asked(self, bundle: Bundle):
        spec = default_spec(["sh", "-c", "sleep 60 & test $$ -gt 1 && echo host"])
        kinds = spec["linux"]["namespaces"]
        spec["linux"]["namespaces"] = [kind for kind in kinds if kind["type"] != "pid"]
        task, reader = bundle.launch(spec)
        assert os.read(reader, 5) == b"host\n"
        assert os.waitpid(task.pid, 0)[1] == 0
        # What it left behind goes with its cgroup.
        bundle.isolation.delete(task.id)
        assert os.read(reader, 1) == b""
        os.close(reader)

    def test_a_missing_working_directory_is_made(self, bundle: Bundle):
        assert bundle.shell("pwd", cwd="/made/for/it") == (0, "/made/for/it\n")

    def test_a_volume_stays_connected_where_asked(self, bundle: Bundle, tmp_path):
        shared = tmp_path / "shared"
        (shared / "inner").mkdir(parents=True)
        spec = default_spec(["sh", "-c", "echo up; sleep 0.1; while :; do sleep 0.05; done"])
        spec["mounts"].append(
            {
                "destination": "/shared",
                "type": "bind",
                "source": str(shared),
                "options": ["rbind", "rslave"],
            }
        )
        task, reader = bundle.launch(spec)
        os.close(reader)
        with open(f"/proc/{task.pid}/mountinfo", encoding="utf-8") as stream:
            (line,) = [line for line in stream if " /shared " in line]
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            peers = any(" shared:" in host for host in stream if host.split()[4] == "/")
        assert ("master:" in line) == peers

    def test_the_loopback_is_up_however_slow_the_process_is(
        self, bundle: Bundle, tmp_path, monkeypatch
    ):
        """A server for the container's names is at 127.0.0.11 as soon as its PID is told."""
        gate, own_process = str(tmp_path / "gate"), init._Init._own_process
        told: list[bool] = []
        os.mkfifo(gate)

        def slow(self):
            Path(gate).read_bytes()
            own_process(self)

        def named(pid: int) -> None:
            try:
                told.append(in_child(lambda: is_loopback_up(pid)))
            finally:
                Path(gate).write_bytes(b"")

        monkeypatch.setattr(init._Init, "_own_process", slow)
        bundle.write(default_spec(["true"]))
        made = bundle.isolation.create(ID, bundle.path, Stdio(0, 1, 2), bundle.mounts, named=named)
        bundle.made[ID] = made.pid
        assert told == [True]

    def test_a_pid_that_is_told_late(self, bundle: Bundle, tmp_path, monkeypatch):
        """Stage 1 names the process it has cloned, which may have come to its end of the work."""
        say, told = child.say, tmp_path / "told"

        def late(report: int, message: str) -> None:
            if message.startswith("P"):
                time.sleep(0.2)
            say(report, message)

        monkeypatch.setattr(child, "say", late)
        spec = default_spec(["true"])
        hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {told}"]}
        spec["hooks"] = {"createRuntime": [hook]}
        bundle.write(spec)
        state = str(tmp_path / "late")
        isolation = NamespaceIsolation(state, {"cgroup_parent": PARENT}, outlives=True)
        task = isolation.create("late", bundle.path, Stdio(0, 1, 2))
        try:
            assert (task.status, isolation.state("late").pid) == ("created", task.pid)
            assert json.loads(told.read_text())["pid"] == task.pid > 0
            isolation.start("late")
            assert os.waitpid(task.pid, 0)[1] == 0
        finally:
            isolation.delete("late", force=True)


def _killed(*_: object, **__: object) -> None:
    os.kill(os.getpid(), 9)


def _broken(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def children() -> str:
    with open("/proc/thread-self/children", encoding="ascii") as stream:
        return stream.read()


STEPS = [
    ("namespaces", init, "_open_joined"),
    ("descriptors", child, "set_stdio"),
    ("namespaces", init, "_loopback_up"),
    ("mounts", init, "mount_root"),
    ("cgroup", init.Go, "wait"),
    ("mounts", init, "_make_cwd"),
    ("user", command.Launch, "become_user"),
    ("user", command.Launch, "find"),
]


class TestStepsThatFail:
    """A child that dies in any step says which, and leaves nothing."""

    @pytest.fixture
    def isolation(self, tmp_path):
        with opened(str(tmp_path / "state")) as made:
            yield made

    rootfs = TestNamespaces.rootfs
    bundle = TestNamespaces.bundle

    @pytest.mark.parametrize(("how", "told"), [(_killed, "signal 9"), (_broken, "/output error")])
    @pytest.mark.parametrize(("step", "owner", "name"), STEPS)
    def test_a_child_that_dies(self, bundle: Bundle, monkeypatch, step, owner, name, how, told):
        if step == "cgroup" and choose(hierarchies(), "auto") == "v2":
            step = "namespaces"  # stage 1 waits for the group before it clones
        bundle.shell("true")
        before = sorted(os.listdir("/proc/self/fd")), children()
        monkeypatch.setattr(owner, name, how)
        # In a PID namespace of its own nothing in there could kill it.
        with pytest.raises(IsolationError, match=told) as caught:
            bundle.create(without(default_spec(["true"]), "pid"))
        assert step in caught.value.message
        assert bundle.isolation.tasks() == ()
        assert (sorted(os.listdir("/proc/self/fd")), children()) == before
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            assert bundle.root not in stream.read()

    @pytest.mark.parametrize(("step", "name"), [("descriptors", "reset_signals"), ("user", "")])
    def test_one_of_exec(self, bundle: Bundle, monkeypatch, step: str, name: str):
        spec = default_spec(["sleep", "60"])
        _, reader = bundle.launch(spec)
        os.close(reader)
        owner = (child, name) if name else (command.Launch, "become_user")
        monkeypatch.setattr(*owner, _broken)
        with pytest.raises(IsolationError, match=f"{step}: .*output error"):
            bundle.isolation.exec(ID, spec["process"], Stdio(0, 1, 2))
        monkeypatch.undo()
        assert len(bundle.isolation.processes(ID)) == 1
