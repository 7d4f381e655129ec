"""What control groups do for a container of `ns`, on whichever version this machine has."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.interfaces.isolation import LIMIT_CPU, LIMIT_CPUSET, LIMIT_PIDS, Stdio
from plugrun.testing.isolation.bundle import ID, Bundle, default_spec, read_all, reap
from plugrun.testing.isolation.fixtures import IsolationFixtures
from plugrun_isolation_ns.cgroups import hierarchies

from tests.contract.isolation_ns import opened

pytestmark = pytest.mark.cgroups

OTHER = "fedcba987654" * 5 + "3210"
OVERCOMMIT = "/proc/sys/vm/nr_overcommit_hugepages"
PAGE = 2 << 20


def need(bundle: Bundle, *words: str) -> None:
    for word in words:
        if word not in bundle.isolation.capabilities:
            pytest.skip(f"has no {word} here")


def writable(spec: dict) -> dict:
    """Let a container write its own groups."""
    for mount in spec["mounts"]:
        if mount["type"] == "cgroup":
            mount["options"].remove("ro")
    return spec


def execute(bundle: Bundle, spec: dict, *args: str) -> str:
    reader, writer = os.pipe()
    with open(os.devnull, "rb") as null:
        stdio = Stdio(null.fileno(), writer, writer)
        pid = bundle.isolation.exec(ID, {**spec["process"], "args": list(args)}, stdio)
    os.close(writer)
    output = read_all(reader)
    reap(pid)
    return output


# A group in the group, with a limit of its own, where v2 wants the one above to be empty.
DIVIDING = """
cd /sys/fs/cgroup; test ! -d pids || cd pids
mkdir inner
echo 0 > inner/cgroup.procs
test ! -f cgroup.subtree_control || echo +pids > cgroup.subtree_control
echo 3 > inner/pids.max
echo up
while read line; do
  for i in 1 2 3; do sleep 1 & done 2>&1
done < /tmp/go
wait
"""


class TestControlGroups(IsolationFixtures):
    @pytest.fixture
    def isolation(self, tmp_path):
        with opened(str(tmp_path / "state")) as isolation:
            yield isolation

    def test_a_container_divides_what_it_has(self, bundle: Bundle):
        """Delegation: its own tree is its own to divide, and exec and delete cope with that."""
        need(bundle, LIMIT_PIDS)
        os.mkfifo(os.path.join(bundle.root, "tmp/go"))
        spec = writable(default_spec(["sh", "-c", DIVIDING]))
        _, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        assert "inner" in execute(bundle, spec, "grep", "-E", "pids|^0:", "/proc/1/cgroup")
        assert execute(bundle, spec, "cat", "/sys/fs/cgroup/memory.max", "/proc/self/comm")
        with open(os.path.join(bundle.root, "tmp/go"), "w", encoding="utf-8") as go:
            go.write("go\n")
        assert "can't fork" in read_all(reader)

    def test_a_container_that_divides_is_stopped_counted_and_killed_whole(self, bundle: Bundle):
        need(bundle, LIMIT_PIDS)
        os.mkfifo(os.path.join(bundle.root, "tmp/go"))
        _, reader = bundle.launch(writable(default_spec(["sh", "-c", DIVIDING])))
        assert os.read(reader, 3) == b"up\n"
        assert bundle.isolation.processes(ID) == (bundle.made[ID],)
        assert bundle.isolation.stats(ID).pids == 1
        bundle.isolation.pause(ID)
        bundle.isolation.resume(ID)
        bundle.isolation.kill(ID, 9, everyone=True)
        assert read_all(reader) == ""

    def test_another_containers_groups_are_out_of_sight(self, bundle: Bundle):
        _, reader = bundle.launch(default_spec(["sleep", "60"]), OTHER)
        os.close(reader)
        spec = writable(
            default_spec(["sh", "-c", "find /sys/fs/cgroup; mkdir /sys/fs/cgroup/../x"])
        )
        assert OTHER not in bundle.run(spec)[1]

    def test_shares_of_a_cpu(self, bundle: Bundle):
        need(bundle, LIMIT_CPU, LIMIT_CPUSET)
        cpu = str(max(os.sched_getaffinity(0)))
        with ExitStack() as stack:
            for id, shares in ((ID, 1024), (OTHER, 64)):
                spec = default_spec(["sh", "-c", "while :; do :; done"])
                spec["linux"]["resources"]["cpu"] = {"shares": shares, "cpus": cpu, "mems": "0"}
                _, reader = bundle.launch(spec, id)
                stack.callback(os.close, reader)
            before = [bundle.isolation.stats(id).cpu_ns for id in (ID, OTHER)]
            used = [0, 0]
            end = time.monotonic() + 60
            while used[0] < 4 * 10**8 and time.monotonic() < end:
                now = [bundle.isolation.stats(id).cpu_ns for id in (ID, OTHER)]
                used = [after - then for after, then in zip(now, before, strict=True)]
                time.sleep(0.01)  # no event: the CPU's time is what passes
        assert used[0] > 4 * used[1]

    @pytest.fixture
    def huge_pages(self) -> Iterator[None]:
        """A few huge pages to be had when they are asked for."""
        if not os.path.isdir(f"/sys/kernel/mm/hugepages/hugepages-{PAGE >> 10}kB"):
            pytest.skip("no huge pages of 2 MB here")
        with open(OVERCOMMIT, "r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # runs of these tests beside this one
            before = file.read()
            file.seek(0)
            file.write(f"{int(before) + 8}\n")
            file.flush()
            yield
            file.seek(0)
            file.write(before)

    def _huge(self, script: str, pages: int) -> dict:
        spec = default_spec(["sh", "-c", script])
        spec["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": pages * PAGE}]
        mount = {"destination": "/huge", "type": "hugetlbfs", "source": "hugetlbfs"}
        spec["mounts"].append({**mount, "options": ["pagesize=2M"]})
        return spec

    def test_huge_pages(self, bundle: Bundle, huge_pages: None):
        """In a hybrid tree the controller may be the only one that v2 has."""
        script = "fallocate -l 2M /huge/a && echo one; fallocate -l 4M /huge/b && echo two"
        code, output = bundle.run(self._huge(script, 1))
        assert code != 0
        assert output.startswith("one\n")
        assert "two" not in output
        assert bundle.run(self._huge(script, 3)) == (0, "one\ntwo\n")

    def test_huge_pages_for_what_exec_brings(self, bundle: Bundle, huge_pages: None):
        spec = self._huge("echo up; sleep 60", 1)
        _, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        assert "fallocate" in execute(bundle, spec, "fallocate", "-l", "4M", "/huge/a")
        bundle.isolation.update(ID, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * PAGE}]})
        assert execute(bundle, spec, "fallocate", "-l", "4M", "/huge/b") == ""
        os.close(reader)

    def test_a_limit_on_huge_pages_that_comes_too_late(self, bundle: Bundle):
        """Groups are joined when a container is made: a limit without one is no limit."""
        _, reader = bundle.launch(default_spec(["sleep", "60"]))
        limit = {"hugepageLimits": [{"pageSize": "2MB", "limit": PAGE}]}
        if any("hugetlb" in hierarchy.controllers for hierarchy in hierarchies()):
            bundle.isolation.update(ID, limit)  # v1, where every controller is joined
        else:
            with pytest.raises(BackendUnavailable, match="hugepageLimits"):
                bundle.isolation.update(ID, limit)
        os.close(reader)

    @pytest.mark.parametrize(
        "resources",
        [
            {"network": {"classID": 5}},
            {"rdma": {"mlx5_0": {"hcaHandles": 3}}},
            {"hugepageLimits": [{"pageSize": "5MB", "limit": 1}]},
            {"cpu": {"cpus": "4000"}},
            {"pids": {"limit": 1 << 60}},
        ],
    )
    def test_what_cannot_be_limited_is_refused(self, bundle: Bundle, resources: dict):
        spec = default_spec(["true"])
        spec["linux"]["resources"].update(resources)
        with pytest.raises((BackendUnavailable, IsolationError)) as caught:
            bundle.create(spec)
        assert caught.value.hint
        assert bundle.isolation.tasks() == ()
