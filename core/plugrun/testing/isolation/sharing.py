"""Namespaces that are shared, and what else a spec may ask beyond the defaults."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.interfaces.isolation import RUNNING, SHARED_MOUNTS, STOPPED, Stdio
from plugrun.linux import mounting
from plugrun.linux.capabilities import KNOWN
from plugrun.testing.isolation.bundle import (
    CAPABILITIES,
    ID,
    Bundle,
    default_spec,
    read_all,
    reap,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures

OTHER = secrets.token_hex(32)
_UNLIMITED = 2**64 - 1


def without(spec: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """Take namespaces out of a spec: the host's are shared then."""
    listed = spec["linux"]["namespaces"]
    spec["linux"]["namespaces"] = [item for item in listed if item["type"] not in kinds]
    if "uts" in kinds:
        del spec["hostname"]
    return spec


def joining(spec: dict[str, Any], of: int, /, **kinds: str) -> dict[str, Any]:
    """Let a spec join namespaces of a process: the spec's word is the key, /proc's the value."""
    without(spec, *kinds)
    for kind, link in kinds.items():
        spec["linux"]["namespaces"].append({"type": kind, "path": f"/proc/{of}/ns/{link}"})
    return spec


class SharingContract(IsolationFixtures):
    """Namespaces that are shared, and what else a spec may ask beyond the defaults."""

    def _first(self, bundle: Bundle) -> int:
        task, reader = bundle.launch(default_spec(["sleep", "600"]), OTHER)
        os.close(reader)
        return task.pid

    # joined UTS namespaces

    def test_a_name_is_given_to_a_joined_uts_namespace(self, bundle: Bundle) -> None:
        first = self._first(bundle)
        spec = joining(default_spec(["hostname"]), first, uts="uts")
        spec["hostname"] = "shared-name"
        assert bundle.run(spec) == (0, "shared-name\n")

    # joined PID namespaces

    def test_a_pid_namespace_is_joined(self, bundle: Bundle) -> None:
        spec = default_spec(["sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; echo $$; exit 7"])
        first = self._first(bundle)
        code, output = bundle.run(joining(spec, first, pid="pid"))
        words = output.split()
        assert code == 7
        assert words[:2] == ["sleep", "600"]
        assert int(words[2]) > 1
        assert bundle.isolation.state(OTHER).status == RUNNING

    def test_what_joined_can_be_killed_alone(self, bundle: Bundle) -> None:
        first = self._first(bundle)
        spec = default_spec(["sh", "-c", "sleep 600 & echo up; wait"])
        task, reader = bundle.launch(joining(spec, first, pid="pid"))
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.kill(ID, signal.SIGKILL)
        assert reap(task.pid) == 137
        assert bundle.isolation.state(ID).status == STOPPED
        # What it left behind in the other's namespace goes with its own traces.
        bundle.isolation.delete(ID)
        assert read_all(reader) == ""
        assert bundle.isolation.state(OTHER).status == RUNNING

    def test_what_joined_ends_with_the_first(self, bundle: Bundle) -> None:
        first = self._first(bundle)
        task, reader = bundle.launch(joining(default_spec(["sleep", "600"]), first, pid="pid"))
        bundle.isolation.kill(OTHER, signal.SIGKILL)
        assert reap(task.pid) == 137
        os.close(reader)

    def test_exec_where_a_namespace_was_joined(self, bundle: Bundle) -> None:
        first = self._first(bundle)
        spec = joining(default_spec(["sleep", "60"]), first, pid="pid", uts="uts")
        _, reader = bundle.launch(spec)
        os.close(reader)
        source, writer = os.pipe()
        process = {**spec["process"], "args": ["cat", "/proc/1/cmdline"]}
        stdio = Stdio(0, writer, writer)
        pid = bundle.isolation.exec(ID, process, stdio)  # type: ignore[arg-type]
        os.close(writer)
        assert reap(pid) == 0
        assert read_all(source).split("\0")[:2] == ["sleep", "600"]

    # other namespaces

    @pytest.mark.parametrize(
        ("kind", "link"), [("ipc", "ipc"), ("uts", "uts"), ("network", "net"), ("cgroup", "cgroup")]
    )
    def test_namespaces_are_joined(self, bundle: Bundle, kind: str, link: str) -> None:
        first = self._first(bundle)
        spec = joining(default_spec(["readlink", f"/proc/self/ns/{link}"]), first, **{kind: link})
        code, output = bundle.run(spec)
        assert (code, output.strip()) == (0, os.readlink(f"/proc/{first}/ns/{link}"))

    @pytest.mark.parametrize(("kind", "link"), [("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")])
    def test_the_hosts_namespaces(self, bundle: Bundle, kind: str, link: str) -> None:
        spec = without(default_spec(["readlink", f"/proc/self/ns/{link}"]), kind)
        assert bundle.run(spec)[1].strip() == os.readlink(f"/proc/self/ns/{link}")

    def test_the_hosts_cgroup_namespace(self, bundle: Bundle) -> None:
        spec = without(default_spec(["cat", "/proc/self/cgroup"]), "cgroup")
        assert ID in bundle.run(spec)[1]
        assert ID not in bundle.run(default_spec(["cat", "/proc/self/cgroup"]))[1]

    def test_a_namespace_that_is_gone(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        without(spec, "ipc")
        spec["linux"]["namespaces"].append({"type": "ipc", "path": "/proc/0/ns/ipc"})
        with pytest.raises(IsolationError, match="/proc/0/ns/ipc"):
            bundle.create(spec)
        assert list(bundle.isolation.tasks()) == []

    def test_the_hosts_name_is_not_changed(self, bundle: Bundle) -> None:
        name = os.uname().nodename
        spec = without(default_spec(["hostname"]), "uts")
        assert bundle.run(spec)[1].strip() == name
        spec["hostname"] = "other"
        with pytest.raises(IsolationError, match="hostname"):
            bundle.create(spec)
        assert os.uname().nodename == name

    # kernel parameters

    def test_a_domain_name(self, bundle: Bundle) -> None:
        spec = default_spec(["cat", "/proc/sys/kernel/domainname"])
        spec["domainname"] = "inner.test"
        assert bundle.run(spec) == (0, "inner.test\n")

    def test_sysctls_of_the_ipc_namespace(self, bundle: Bundle) -> None:
        spec = default_spec(["cat", "/proc/sys/kernel/shmmni", "/proc/sys/fs/mqueue/msg_max"])
        spec["linux"]["sysctl"] = {"kernel.shmmni": "77", "fs.mqueue.msg_max": "11"}
        assert bundle.run(spec) == (0, "77\n11\n")

    @pytest.mark.parametrize(
        ("name", "shared"),
        [
            ("kernel.panic", ()),
            ("vm.swappiness", ()),
            ("net.ipv4.ip_forward", ("network",)),
            ("kernel.shmmax", ("ipc",)),
            ("kernel.domainname", ("uts",)),
        ],
    )
    def test_the_hosts_sysctls_are_refused(
        self, bundle: Bundle, name: str, shared: tuple[str, ...]
    ) -> None:
        spec = without(default_spec(["true"]), *shared)
        spec["linux"]["sysctl"] = {name: "1"}
        with pytest.raises(IsolationError, match=name):
            bundle.create(spec)
        assert list(bundle.isolation.tasks()) == []

    # process

    def test_no_limit_at_all(self, bundle: Bundle) -> None:
        limits = [{"type": "RLIMIT_CORE", "soft": 0, "hard": _UNLIMITED}]
        assert bundle.shell("ulimit -c", rlimits=limits) == (0, "0\n")
        limits = [{"type": "RLIMIT_NOFILE", "soft": 33, "hard": -1}]
        assert bundle.shell("ulimit -n", rlimits=limits) == (0, "33\n")

    def test_an_oom_score(self, bundle: Bundle) -> None:
        assert bundle.shell("cat /proc/self/oom_score_adj", oomScoreAdj=777) == (0, "777\n")

    # devices and mounts

    def test_devices_of_the_spec(self, bundle: Bundle) -> None:
        spec = default_spec(["stat", "-c", "%a %u %g %t:%T", "/dev/own/zero", "/dev/null"])
        spec["linux"]["devices"] = [
            {
                "path": "/dev/own/zero",
                "type": "c",
                "major": 1,
                "minor": 5,
                "fileMode": 0o640,
                "uid": 7,
                "gid": 8,
            },
            {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600},
        ]
        assert bundle.run(spec) == (0, "640 7 8 1:5\n600 0 0 1:3\n")

    def test_a_bind_mount_over_proc_is_refused(self, bundle: Bundle, tmp_path: Any) -> None:
        for place in ("/proc", "/proc/self/x", "/proc/../proc/sys"):
            spec = default_spec(["true"])
            mount = {"destination": place, "type": "bind", "source": str(tmp_path)}
            spec["mounts"].append({**mount, "options": ["rbind"]})
            with pytest.raises(IsolationError, match="/proc"):
                bundle.create(spec)
        assert list(bundle.isolation.tasks()) == []

    def test_what_may_be_bound_over_proc(self, bundle: Bundle, tmp_path: Any) -> None:
        (tmp_path / "cpuinfo").write_text("mine\n")
        spec = default_spec(["cat", "/proc/cpuinfo"])
        for source, place in (("/proc", "/proc"), (f"{tmp_path}/cpuinfo", "/proc/cpuinfo")):
            mount = {"destination": place, "type": "bind", "source": source}
            spec["mounts"].append({**mount, "options": ["rbind"]})
        assert bundle.run(spec) == (0, "mine\n")

    @pytest.mark.parametrize(("word", "shared"), [("shared", True), ("private", False)])
    def test_propagation_of_the_root(self, bundle: Bundle, word: str, *, shared: bool) -> None:
        spec = default_spec(["cat", "/proc/self/mountinfo"])
        spec["linux"]["rootfsPropagation"] = word
        if shared and SHARED_MOUNTS not in bundle.isolation.capabilities:
            with pytest.raises(BackendUnavailable):
                bundle.create(spec)
            assert list(bundle.isolation.tasks()) == []
            return
        lines = bundle.run(spec)[1].splitlines()
        (root,) = [line for line in lines if line.split()[4] == "/"]
        assert (" shared:" in root) == shared

    @pytest.mark.parametrize("word", ["shared", "rshared", "slave", "rslave", "private", ""])
    def test_mounts_reach_as_far_as_is_said(self, bundle: Bundle, word: str, outer: str) -> None:
        script = "mount -t tmpfs t /v/made; echo up; read x < /v/go; cat /v/given/file"
        spec = default_spec(["sh", "-c", script])
        names = [*CAPABILITIES, "CAP_SYS_ADMIN"]
        sets = {key: list(names) for key in ("bounding", "effective", "permitted")}
        spec["process"]["capabilities"] = {**sets, "inheritable": [], "ambient": []}
        del spec["linux"]["seccomp"]
        options = ["rbind", *filter(None, [word])]
        mount = {"destination": "/v", "type": "bind", "source": outer, "options": options}
        spec["mounts"].append(mount)
        if word.endswith("shared") and SHARED_MOUNTS not in bundle.isolation.capabilities:
            with pytest.raises(BackendUnavailable):
                bundle.create(spec)
            return
        os.mkfifo(f"{outer}/go")
        task, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        assert os.path.ismount(f"{outer}/made") == word.endswith("shared")
        mounting.mount("tmpfs", f"{outer}/given", "tmpfs", 0, "")
        for name, text in (("given/file", "came"), ("go", "on\n")):
            with open(f"{outer}/{name}", "w") as file:
                file.write(text)
        came = "came" in read_all(reader)
        reap(task.pid)
        assert came == word.endswith(("shared", "slave"))

    @pytest.fixture
    def outer(self, tmp_path: Any) -> Iterator[str]:
        """Return a folder of the host's whose mounts are shared."""
        path = str(tmp_path / "outer")
        os.mkdir(path)
        mounting.mount("tmpfs", path, "tmpfs", 0, "")
        mounting.mount("", path, "", mounting.MS_SHARED)
        for name in ("made", "given"):
            os.mkdir(f"{path}/{name}")
        yield path
        for name in ("made", "given"):
            if os.path.ismount(f"{path}/{name}"):
                mounting.umount(f"{path}/{name}")
        mounting.umount(path, mounting.MNT_DETACH)

    def test_everything_allowed(self, bundle: Bundle) -> None:
        script = (
            "grep -E 'CapEff|Seccomp:' /proc/self/status; mount -t tmpfs t /tmp && echo mounted;"
            "test -w /sys/kernel && grep -c '^sysfs /sys sysfs rw' /proc/mounts;"
            "echo 1 > /proc/sys/kernel/ns_last_pid && echo written;"
            "mknod /dev/x c 1 3 && echo x > /dev/x && echo device"
        )
        spec = default_spec(["sh", "-c", script])
        kept = {key: list(KNOWN) for key in ("bounding", "effective", "permitted")}
        spec["process"]["capabilities"] = {**kept, "inheritable": [], "ambient": []}
        linux = spec["linux"]
        del linux["seccomp"]
        linux["maskedPaths"] = linux["readonlyPaths"] = []
        linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
        for mount in spec["mounts"]:
            mount["options"] = [option for option in mount["options"] if option != "ro"]
        lines = bundle.run(spec)[1].splitlines()
        assert int(lines[0].split()[1], 16) == _bounding()
        assert lines[1].split()[1] == "0"
        assert lines[2:] == ["mounted", "1", "written", "device"]


def _bounding() -> int:
    with open("/proc/self/status", encoding="ascii") as stream:
        return next(int(line.split()[1], 16) for line in stream if line.startswith("CapBnd"))
