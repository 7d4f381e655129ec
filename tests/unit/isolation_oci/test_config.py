"""The spec in words that every runtime has."""

from __future__ import annotations

import pytest
from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.linux.capabilities import at_hand
from plugrun_isolation_oci import group
from plugrun_isolation_oci.config import read_spec, runtime_config
from plugrun_isolation_oci.group import refuse_impossible


def spec(**process) -> dict:
    return {"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "process": {"args": [], **process}}


def config(given: dict, *, terminal: bool = False) -> dict:
    return runtime_config(given, "/mounted", "/a/b", terminal=terminal)


def test_places():
    made = config(spec())
    assert made["ociVersion"] == "1.0.2"
    assert made["root"]["path"] == "/mounted"
    assert made["linux"]["cgroupsPath"] == "/a/b"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_terminal_is_the_callers_word(terminal):
    made = config(spec(terminal=not terminal, consoleSize={"height": 1}), terminal=terminal)
    assert made["process"]["terminal"] is terminal
    assert "consoleSize" not in made["process"]


def test_no_limit_is_the_largest_number():
    limit = {"type": "RLIMIT_CORE", "soft": 0, "hard": -1}
    [made] = config(spec(rlimits=[limit]))["process"]["rlimits"]
    assert made["soft"] == 0
    assert 0 < made["hard"] < 2**64


def test_no_more_files_than_the_kernel_allows():
    limit = {"type": "RLIMIT_NOFILE", "soft": 33, "hard": -1}
    [made] = config(spec(rlimits=[limit]))["process"]["rlimits"]
    with open("/proc/sys/fs/nr_open", encoding="ascii") as stream:
        assert 33 == made["soft"] <= made["hard"] <= int(stream.read())


def test_capabilities_that_root_lacks_are_left_out(monkeypatch):
    kept = at_hand()[0]
    given = {"bounding": [kept, "CAP_OF_ANOTHER_KERNEL"], "ambient": None}
    made = config(spec(capabilities=given))["process"]["capabilities"]
    assert made == {"bounding": [kept], "ambient": []}


def test_a_domain_name_is_a_sysctl():
    made = config({**spec(), "domainname": "inner", "linux": {"sysctl": {"net.x": "1"}}})
    assert "domainname" not in made
    assert made["linux"]["sysctl"] == {"net.x": "1", "kernel.domainname": "inner"}


def test_mounts_that_reach_the_host_are_refused():
    mount = {"destination": "/x", "type": "bind", "source": "/x", "options": ["rbind", "rshared"]}
    with pytest.raises(BackendUnavailable, match="mount /x"):
        config({**spec(), "mounts": [mount]})
    with pytest.raises(BackendUnavailable, match="mount /:"):
        config({**spec(), "linux": {"rootfsPropagation": "shared"}})


def test_a_filter_of_one_process_is_refused():
    with pytest.raises(BackendUnavailable, match="seccomp"):
        config(spec(seccomp={}))


def test_a_spec_that_is_none(tmp_path):
    with pytest.raises(IsolationError, match="does not exist"):
        read_spec(str(tmp_path))
    for text in ("[]", "{}", "{"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(IsolationError):
            read_spec(str(tmp_path))


@pytest.mark.parametrize(
    ("resources", "controller"),
    [
        ({"memory": {"limit": 1}}, "memory"),
        ({"cpu": {"quota": 1}}, "cpu"),
        ({"cpu": {"cpus": "0"}}, "cpuset"),
        ({"pids": {"limit": 1}}, "pids"),
        ({"blockIO": {"weight": 10}}, "io"),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, "hugetlb"),
    ],
)
def test_a_limit_without_a_controller_is_refused(monkeypatch, resources, controller):
    monkeypatch.setattr(group, "controllers", lambda _: frozenset())
    with pytest.raises(BackendUnavailable, match=controller) as caught:
        refuse_impossible(resources)
    assert caught.value.hint


def test_pages_that_the_machine_has_not(monkeypatch):
    monkeypatch.setattr(group, "controllers", lambda _: frozenset({"hugetlb"}))
    for size in ("3KB", "MB", "1XB", ""):
        with pytest.raises(BackendUnavailable):
            refuse_impossible({"hugepageLimits": [{"pageSize": size, "limit": 1}]})


def test_nothing_asked_is_nothing_refused(monkeypatch):
    monkeypatch.setattr(group, "controllers", lambda _: frozenset())
    refuse_impossible({"devices": [], "memory": {}, "cpu": {}, "pids": {"limit": 0}})
