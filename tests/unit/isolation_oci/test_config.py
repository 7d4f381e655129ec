"""The spec in words that every runtime has."""

from __future__ import annotations

import os
from unittest import mock

import pytest
from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.linux.capabilities import at_hand
from plugrun_isolation_oci import group
from plugrun_isolation_oci.config import needs_stage, read_spec, runtime_config
from plugrun_isolation_oci.group import refuse_impossible
from plugrun_isolation_oci.program import Runtime
from plugrun_isolation_oci.stage import Stage


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


def bind(*options: str) -> dict:
    return {"destination": "/x", "type": "bind", "source": "/x", "options": ["rbind", *options]}


def test_binds_say_how_they_are_connected():
    given = [bind(), bind("rslave"), {"destination": "/t", "type": "tmpfs"}]
    made = config({**spec(), "mounts": given})
    assert made["mounts"] == [bind("rprivate"), *given[1:]]
    assert made["linux"]["rootfsPropagation"] == "rslave"
    assert "rootfsPropagation" not in config({**spec(), "mounts": [bind()]})["linux"]


def test_cgroups_that_are_to_be_read_are_not_written():
    mounts = [{"destination": f"/{word}", "type": "cgroup", "options": [word]} for word in _MODES]
    linux = {"readonlyPaths": ["/proc/sys"]}
    made = config({**spec(), "mounts": mounts, "linux": linux})
    assert made["linux"]["readonlyPaths"] == ["/proc/sys", "/ro"]
    assert linux == {"readonlyPaths": ["/proc/sys"]}


_MODES = ("rw", "ro")
USER = {
    "namespaces": [{"type": "user"}],
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
    "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 10}],
}


def test_a_stage_is_for_what_needs_one():
    assert not needs_stage({**spec(), "mounts": [bind("rslave")], "linux": {"namespaces": []}})
    assert needs_stage({**spec(), "mounts": [bind("rshared")]})
    assert needs_stage({**spec(), "linux": {"rootfsPropagation": "shared"}})
    assert needs_stage({**spec(), "linux": USER})


def test_a_stage_is_what_the_runtime_is_told_of():
    zero = {"path": "/dev/../dev/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600}
    own = {"path": "/dev/own", "type": "b", "major": 7, "minor": 9}
    ids = {"uidMappings": USER["uidMappings"], "gidMappings": USER["gidMappings"]}
    mounts = [{"destination": "/t", "type": "tmpfs"}, {**bind("idmap"), **ids}]
    given = {**spec(), "mounts": mounts, "linux": {**USER, "devices": [zero, own]}}
    made = config(given)
    Stage(given).rewrite(made, with_ids=lambda: False)
    place = os.path.dirname(made["root"]["path"])
    assert made["linux"]["devices"] == []
    assert made["mounts"] == [
        mounts[0],
        {**bind("rprivate"), "source": f"{place}/bind-1"},
        {"destination": "/dev/own", "type": "bind", "options": ["bind"], "source": mock.ANY},
    ]
    assert made["mounts"][2]["source"].startswith(f"{place}/device-")
    assert "rootfsPropagation" not in made["linux"]


def test_a_shared_mount_leaves_the_root_where_it_is():
    given = {**spec(), "mounts": [bind("rshared"), bind("rslave")]}
    made = config(given)
    Stage(given).rewrite(made, with_ids=lambda: False)
    assert made["root"]["path"] == "/mounted"
    assert made["linux"]["rootfsPropagation"] == "shared"
    assert made["mounts"][0]["source"].endswith("/bind-0")
    assert made["mounts"][1] == bind("rslave")


def test_what_a_stage_cannot_do_is_refused():
    with pytest.raises(BackendUnavailable, match="mount /x"):
        Stage({**spec(), "mounts": [bind("rshared")], "linux": USER})
    for gone in ("uidMappings", "gidMappings"):
        linux = {key: value for key, value in USER.items() if key != gone}
        with pytest.raises(IsolationError, match="needs linux"):
            Stage({**spec(), "linux": linux})
    linux = {"namespaces": [{"type": "user", "path": "/proc/0/ns/user"}]}
    with pytest.raises(IsolationError, match="/proc/0/ns/user"):
        Stage({**spec(), "linux": linux})


@pytest.mark.parametrize(
    ("says", "wanted"),
    [("runc version 1\nspec: 1.0.2-dev\n", True), ("spec: 1.2.0\n", False), ("crun\n", False)],
)
def test_whether_a_joined_namespace_comes_with_its_mapping(tmp_path, says, wanted):
    program = tmp_path / "runtime"
    program.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    program.chmod(0o755)
    assert Runtime(str(program), (), str(tmp_path)).wants_ids_of_joined() is wanted


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
