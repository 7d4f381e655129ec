"""Small parts of the backend."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from plugrun.errors import (
    BackendUnavailable,
    CommandNotExecutable,
    CommandNotFound,
    InvalidArgument,
    IsolationError,
    NoSuchContainer,
)
from plugrun.tasks.folder import task_ids
from plugrun_isolation_ns import capabilities, cgroups, command, rules, state
from plugrun_isolation_ns.cgroups import Hierarchy, limits, v1

FORBIDDEN = [
    "click",
    "stevedore",
    "pluggy",
    "yaml",
    "requests",
    "pyroute2",
    "json",
    "re",
    "typing",
    "dataclasses",
    "inspect",
    "enum",
    "pathlib",
    "subprocess",
    "asyncio",
    "logging",
    "threading",
    "shutil",
    "tempfile",
    "contextlib",
    "collections",
    "functools",
    "importlib.metadata",
    "hashlib",
    "signal",
    "socket",
]


def test_nothing_slow_is_loaded():
    modules = "plugin isolation create init exec verbs probe seccomp cgroups.v1 cgroups.v2"
    imports = ", ".join(f"plugrun_isolation_ns.{name}" for name in modules.split())
    code = f"import sys; sys.path[:0] = {sys.path!r}; before = set(sys.modules); "
    code += f"import {imports}, plugrun_isolation_ns.cgroups.view; "
    code += "print(*sorted(set(sys.modules) - before))"
    command_ = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command_, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(FORBIDDEN)


def test_capabilities_by_number():
    assert capabilities.mask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]) == 1 | 1 << 40
    assert capabilities.mask(["CAP_SYS_ADMIN"]) == capabilities.SYS_ADMIN
    with pytest.raises(IsolationError, match="CAP_WISH"):
        capabilities.mask(["CAP_WISH"])


@pytest.mark.parametrize("id", ["", ".", "..", ".seccomp", "a/b", "-x", "a\n", "x" * 300])
def test_ids_that_are_none(id, tmp_path):
    with pytest.raises(InvalidArgument):
        state.Folder(str(tmp_path), id)


def test_a_folder_without_its_file(tmp_path):
    folder = state.Folder(str(tmp_path), "one")
    with pytest.raises(NoSuchContainer):
        folder.read()
    os.close(folder.make())
    task = folder.task()
    assert (task.pid, task.status) == (0, "stopped")
    assert task_ids(str(tmp_path)) == ("one",)
    folder.remove()
    folder.remove()
    assert task_ids(str(tmp_path)) == ()


def test_finding_commands(tmp_path):
    for name, mode in (("run", 0o755), ("plain", 0o644)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    path = f"/no/such:{tmp_path}"
    assert command.find_command("run", path) == str(tmp_path / "run")
    with pytest.raises(CommandNotExecutable, match="permission denied"):
        command.find_command("plain", path)
    with pytest.raises(CommandNotFound, match=r'exec: "x": executable file not found in \$PATH'):
        command.find_command("x", path)
    absent = f"{tmp_path}/x"
    with pytest.raises(CommandNotFound, match=f"stat {absent}: no such file or directory"):
        command.find_command(absent, path)


def test_which_cgroup_version():
    v1_tree = [Hierarchy("/c/memory", False, ("memory",)), Hierarchy("/c/unified", True, ())]
    v2_tree = [Hierarchy("/c", True, ())]
    named = [Hierarchy("/c/systemd", False, ("name=systemd",)), *v2_tree]
    assert cgroups.choose(v1_tree, "auto") == "v1"
    assert cgroups.choose(v1_tree, "v2") == "v2"
    assert cgroups.choose(v2_tree, "auto") == cgroups.choose(named, "auto") == "v2"
    with pytest.raises(BackendUnavailable):
        cgroups.choose(v2_tree, "v1")
    with pytest.raises(BackendUnavailable):
        cgroups.choose([], "auto")


def test_device_lines():
    assert v1._device_line({"allow": False, "access": "rwm"}) == "a"
    rule = {"allow": True, "type": "c", "major": 136, "minor": -1, "access": "rw"}
    assert v1._device_line(rule) == "c 136:* rw"


def test_limits_are_never_dropped():
    known = {"memory": frozenset(("limit",))}
    limits.refuse_unknown({"memory": {"limit": 1, "kernel": None}, "blockIO": {}}, known)
    for resources in ({"blockIO": {"weight": 1}}, {"memory": {"kernel": 5}}):
        with pytest.raises(BackendUnavailable) as caught:
            limits.refuse_unknown(resources, known)
        assert caught.value.hint


def test_namespaces():
    kinds = [{"type": "mount"}, {"type": "network", "path": "/proc/self/ns/net"}]
    found = rules.Namespaces({"linux": {"namespaces": kinds}})
    assert found.new == rules.FLAGS["mount"]
    assert found.joined == [(rules.FLAGS["network"], "/proc/self/ns/net")]
    assert found.all == rules.FLAGS["mount"] | rules.FLAGS["network"]
    with pytest.raises(BackendUnavailable):
        rules.Namespaces({"linux": {"namespaces": [{"type": "time"}]}})
    with pytest.raises(IsolationError):
        rules.Namespaces({"linux": {}})


def test_user_namespaces():
    kinds = [{"type": "mount"}, {"type": "user"}]
    own = rules.Namespaces({"linux": {"namespaces": kinds}})
    assert own.has_user
    one = [{"containerID": 0, "hostID": 1000, "size": 1}]
    rules.check_ids({"uidMappings": one, "gidMappings": one}, own)
    far = [{"containerID": 1, "hostID": 1000, "size": 1}]
    for wrong in ({}, {"uidMappings": one}, {"uidMappings": one, "gidMappings": far}):
        with pytest.raises(IsolationError):
            rules.check_ids(wrong, own)
    # Who is in a namespace cannot join it.
    here = [{"type": "mount"}, {"type": "user", "path": "/proc/self/ns/user"}]
    none = rules.Namespaces({"linux": {"namespaces": here}})
    assert not none.has_user
    assert none.joined == []
    with pytest.raises(IsolationError):
        rules.check_ids({"uidMappings": one}, none)
