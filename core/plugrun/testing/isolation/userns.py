"""A container's root that is nobody on the host."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from plugrun.errors import BackendUnavailable, IsolationError, PlugrunError
from plugrun.interfaces.isolation import DEVICE_FENCE, EXEC, USER_NAMESPACES, Stdio
from plugrun.model.idmap import IdMap, IdRange, ranges_in_spec
from plugrun.model.mount import Mount
from plugrun.testing.isolation.bundle import ID, Bundle, default_spec, read_all, reap
from plugrun.testing.isolation.fixtures import IsolationFixtures
from plugrun.testing.isolation.sharing import OTHER, joining

if TYPE_CHECKING:
    from pathlib import Path

_FIRST = 0x70000000
IDS = IdMap((IdRange(0, _FIRST, 65536),), (IdRange(0, _FIRST + 65536, 65536),))
OWNER = (_FIRST, _FIRST + 65536)


def mapped(args: list[str], **process: Any) -> dict[str, Any]:
    """Return the default spec in a user namespace of its own."""
    spec = default_spec(args)
    linux = spec["linux"]
    linux["namespaces"].append({"type": "user"})
    linux["uidMappings"], linux["gidMappings"] = map(ranges_in_spec, (IDS.uids, IDS.gids))
    spec["process"].update(process)
    return spec


def _bind(source: str, target: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": source, "options": ["bind", *options]}


class UserNamespaceRefusal(IsolationFixtures):
    """Who cannot make a user namespace says so."""

    def test_it_is_made_or_refused(self, bundle: Bundle) -> None:
        bundle.mounts = (Mount("bind", bundle.root, ("bind", "rw"), ids=IDS),)
        if USER_NAMESPACES in bundle.isolation.capabilities:
            assert bundle.run(mapped(["id", "-u"])) == (0, "0\n")
            return
        with pytest.raises(BackendUnavailable, match="user namespace"):
            bundle.create(mapped(["true"]))
        assert list(bundle.isolation.tasks()) == []


class UserNamespaceContract(IsolationFixtures):
    """A container's root that is nobody on the host."""

    needs = frozenset((USER_NAMESPACES,))

    @pytest.fixture
    def inner(self, bundle: Bundle) -> Bundle:
        """Return the bundle, whose root shows its files as the container's own."""
        if USER_NAMESPACES not in bundle.isolation.capabilities:
            pytest.skip("this isolation makes no user namespaces")
        bundle.mounts = (Mount("bind", bundle.root, ("bind", "rw"), ids=IDS),)
        return bundle

    def _run(self, bundle: Bundle, script: str, **process: Any) -> str:
        code, output = bundle.run(mapped(["sh", "-c", script], **process))
        assert code == 0, output
        return output

    def test_root_inside_is_another_outside(self, inner: Bundle) -> None:
        task, reader = inner.launch(mapped(["sh", "-c", "id -u; cat /proc/self/uid_map; sleep 60"]))
        assert os.stat(f"/proc/{task.pid}").st_uid == OWNER[0]
        with open(f"/proc/{task.pid}/status") as file:
            found = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        assert found["Uid"].split() == [str(OWNER[0])] * 4
        assert found["Gid"].split() == [str(OWNER[1])] * 4
        assert found["Groups"].split() in ([], [str(OWNER[1])])
        said = b""
        while said.count(b"\n") < 2:
            said += os.read(reader, 4096)
        inner.isolation.delete(ID, force=True)
        reap(task.pid)
        os.close(reader)
        assert said.split() == [b"0", b"0", b"%d" % _FIRST, b"65536"]

    def test_the_root_shows_its_own_owners(self, inner: Bundle) -> None:
        os.makedirs(f"{inner.root}/home/ann")
        os.chown(f"{inner.root}/home/ann", 1000, 1001)
        script = "stat -c %u:%g / /home/ann; touch /new /home/ann/x; chown 7:8 /new"
        assert self._run(inner, f"{script}; stat -c %u /new").split() == ["0:0", "1000:1001", "7"]
        seen = os.stat(f"{inner.root}/new")
        assert (seen.st_uid, seen.st_gid) == (7, 8)

    def test_an_ordinary_user(self, inner: Bundle) -> None:
        user = {"uid": 1000, "gid": 1001, "additionalGids": [7]}
        script = "id -u > /proc/self/fd/1; id -G; grep CapEff /proc/self/status"
        output = self._run(inner, script, user=user)
        assert output.split()[0] == "1000"
        assert set(output.split()[1:-2]) == {"1001", "7"}
        assert int(output.split()[-1], 16) == 0

    def test_an_id_without_a_place_is_refused(self, inner: Bundle) -> None:
        with pytest.raises(PlugrunError):
            inner.run(mapped(["true"], user={"uid": 70000, "gid": 0}))

    def test_the_fence_holds(self, inner: Bundle) -> None:
        output = self._run(inner, "grep -e Cap -e Seccomp: /proc/self/status")
        found = dict(line.split(":\t") for line in output.splitlines())
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert int(found[name], 16) == 0xA80425FB
        assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
        assert found["Seccomp"] == "2"
        script = """
        for act in 'unshare -m true' 'unshare -U true' 'mount -t tmpfs none /tmp' 'mknod /n b 8 0' \
            'mkdir /sys/fs/cgroup/x' 'mkdir /sys/fs/cgroup/pids/x' 'touch /proc/sys/kernel/x' \
            'echo 1 > /proc/sysrq-trigger' 'hostname other'
        do sh -c "$act" 2>/dev/null && echo "done: $act"; done; true"""
        assert self._run(inner, script) == ""

    def test_all_capabilities_are_worth_nothing_outside(self, inner: Bundle) -> None:
        names = [*default_spec([])["process"]["capabilities"]["bounding"], "CAP_SYS_ADMIN"]
        sets = {**dict.fromkeys(("bounding", "effective", "permitted"), names), "inheritable": []}
        script = """mount -t tmpfs none /tmp && hostname other || echo no
        for act in 'mknod /n b 8 0' 'mkdir /sys/fs/cgroup/pids/x' 'echo 1 > /proc/sys/vm/swappiness'
        do sh -c "$act" 2>/dev/null && echo "done: $act"; done; true"""
        spec = mapped(["sh", "-c", script], capabilities=sets)
        spec["linux"]["seccomp"] = None
        spec["linux"]["readonlyPaths"] = []
        assert inner.run(spec) == (0, "")

    def test_devices_are_the_kernels(self, inner: Bundle) -> None:
        script = "stat -c %u:%g:%a:%t:%T /dev/null /dev/zero; head -c 3 /dev/zero | wc -c; ls /dev"
        lines = self._run(inner, script + "; echo x > /dev/null; cat /dev/null").split()
        assert lines[:3] == ["0:0:666:1:3", "0:0:666:1:5", "3"]
        assert {"full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd"} <= set(lines[3:])

    def test_a_device_of_the_specs_own(self, inner: Bundle) -> None:
        spec = mapped(["sh", "-c", "stat -c %u:%g:%a:%t:%T /dev/own/zero; head -c 2 /dev/own/zero"])
        device = {"path": "/dev/own/zero", "type": "c", "major": 1, "minor": 5}
        spec["linux"]["devices"] = [{**device, "fileMode": 0o640, "uid": 3, "gid": 4}]
        assert inner.run(spec) == (0, "3:4:640:1:5\n\0\0")

    def test_binds_show_who_owns_them(self, inner: Bundle, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        (closed / "shared").mkdir(parents=True)
        (closed / "file").write_text("from the host")
        closed.chmod(0o700)
        os.chown(closed / "shared", *OWNER)
        spec = mapped(["sh", "-c", "stat -c %u /b /f; touch /b/made; cat /f; touch /f"])
        spec["mounts"] += [_bind(f"{closed}/shared", "/b"), _bind(f"{closed}/file", "/f")]
        code, output = inner.run(spec)
        assert code != 0
        assert output.splitlines()[0] == "0"
        assert output.splitlines()[1] == "65534"
        assert "from the host" in output
        made = os.stat(closed / "shared/made")
        assert (made.st_uid, made.st_gid) == OWNER

    def test_a_bind_with_the_containers_ids(self, inner: Bundle, tmp_path: Path) -> None:
        (tmp_path / "volume").mkdir()
        spec = mapped(["sh", "-c", "stat -c %u:%g /v; touch /v/made; chown 5:6 /v/made"])
        ids = {"uidMappings": ranges_in_spec(IDS.uids), "gidMappings": ranges_in_spec(IDS.gids)}
        spec["mounts"].append({**_bind(str(tmp_path / "volume"), "/v"), **ids})
        assert inner.run(spec) == (0, "0:0\n")
        made = os.stat(tmp_path / "volume/made")
        assert (made.st_uid, made.st_gid) == (5, 6)

    def test_the_namespaces_belong_to_it(self, inner: Bundle) -> None:
        names = [*default_spec([])["process"]["capabilities"]["bounding"], "CAP_NET_ADMIN"]
        sets = {**dict.fromkeys(("bounding", "effective", "permitted"), names), "inheritable": []}
        script = "ip link add d0 type dummy 2>/dev/null || ip link set lo down && echo ours"
        assert self._run(inner, script, capabilities=sets) == "ours\n"

    def test_sysctls_and_names(self, inner: Bundle) -> None:
        spec = mapped(["sh", "-c", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; hostname"])
        spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "99"}
        assert inner.run(spec) == (0, "99\nbox\n")

    def test_exec_is_inside_too(self, inner: Bundle) -> None:
        if EXEC not in inner.isolation.capabilities:
            pytest.skip("no exec")
        task, reader = inner.launch(mapped(["sleep", "60"]))
        script = "id -u > /proc/self/fd/1; cat /proc/self/uid_map"
        script += "; grep -e CapEff -e Seccomp: /proc/self/status"
        args = ["sh", "-c", script + "; cat /proc/self/cgroup /proc/1/cgroup | sort -u | wc -l"]
        process = {**default_spec(args)["process"], "user": {"uid": 5, "gid": 6}}
        ours, theirs = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        pid = inner.isolation.exec(ID, cast("Any", process), Stdio(null, theirs, theirs))
        os.close(theirs)
        os.close(null)
        words = read_all(ours).split()
        assert reap(pid) == 0
        assert words[:4] == ["5", "0", str(_FIRST), "65536"]
        assert int(words[5], 16) == 0
        assert words[7] == "2"
        with open("/proc/self/cgroup") as file:
            assert int(words[8]) == len(file.readlines())
        inner.isolation.delete(ID, force=True)
        reap(task.pid)
        read_all(reader)

    def test_the_namespace_of_another_container_is_joined(self, inner: Bundle) -> None:
        task, reader = inner.launch(mapped(["sleep", "60"]), OTHER)
        spec = default_spec(["sh", "-c", "readlink /proc/self/ns/user; id -u; cat /proc/1/comm"])
        joining(spec, task.pid, user="user", pid="pid")
        code, output = inner.run(spec)
        user = os.readlink(f"/proc/{task.pid}/ns/user")
        assert (code, output.split()) == (0, [user, "0", "sleep"])
        inner.isolation.delete(OTHER, force=True)
        reap(task.pid)
        read_all(reader)

    def test_limits_hold(self, inner: Bundle) -> None:
        spec = mapped(["sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj"])
        spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}]
        spec["process"]["oomScoreAdj"] = 500
        assert inner.run(spec) == (0, "64\n128\n500\n")

    def test_the_device_fence_holds(self, inner: Bundle) -> None:
        if DEVICE_FENCE not in inner.isolation.capabilities:
            pytest.skip("no device fence")
        spec = mapped(["sh", "-c", "cat /dev/kmsg"])
        spec["linux"]["devices"] = [
            {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
        ]
        code, output = inner.run(spec)
        assert code != 0
        assert "not permitted" in output

    def test_nothing_is_left_of_what_fails(self, inner: Bundle) -> None:
        spec = mapped(["/no/such/program"])
        with pytest.raises(IsolationError):
            inner.launch(spec)
        if ID in inner.isolation.tasks():
            inner.isolation.delete(ID, force=True)
        with open("/proc/self/mountinfo") as file:
            assert inner.path not in file.read()

    @pytest.mark.parametrize("gone", ["uidMappings", "gidMappings"])
    def test_a_namespace_without_a_mapping_is_refused(self, inner: Bundle, gone: str) -> None:
        spec = mapped(["true"])
        del spec["linux"][gone]
        with pytest.raises(PlugrunError):
            inner.run(spec)
        assert ID not in inner.isolation.tasks()
