"""What doctor says of a machine: each look on its own, where there is something to miss."""

from __future__ import annotations

import os

import pytest
from plugrun.cgroups.cgroupfs import Hierarchy
from plugrun.engine.doctor import devices, kernel, registries, userns
from plugrun.engine.doctor.cgroups import check_cgroups
from plugrun.engine.doctor.checks import MISSING, NOTE, OK
from plugrun.engine.doctor.doctor import _lacks
from plugrun.errors import ImageNotFound, Unauthorized, Unreachable
from plugrun.model.profile import Profile
from plugrun.plugins import PluginInfo


def named(checks) -> dict:
    found = {check.name: check for check in checks}
    for check in found.values():
        assert check.found and check.state in (OK, NOTE, MISSING)
        assert bool(check.remedy) == (check.state != OK), check
    return found


def test_this_kernel():
    found = named(kernel.check_kernel())
    assert os.uname().release in found["release"].found
    assert found["openat2(2)"].state == OK  # without it, not one other test would pass


def test_a_kernel_that_lacks_things(monkeypatch):
    monkeypatch.setattr(kernel, "_CALLS", (("nonsense", "9.9", 100_000, "nothing"),))
    monkeypatch.setattr(kernel, "_FILE_SYSTEMS", (("nosuchfs", "nothing"),))
    found = named(kernel.check_kernel())
    assert (found["nonsense(2)"].state, found["nonsense(2)"].remedy) == (
        MISSING,
        "use Linux 9.9 or later",
    )
    assert found["nosuchfs"].found == "not in this kernel"
    monkeypatch.setattr(kernel, "is_module", lambda name: True)
    assert named(kernel.check_kernel())["nosuchfs"].remedy == "modprobe nosuchfs"


def test_cgroups(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    v2 = Hierarchy(str(tmp_path), True, ())
    old = Hierarchy("/old", False, ("cpu", "blkio"))
    found = named(check_cgroups([v2]))
    assert found["version"].found == "v2"
    assert [found[n].state for n in ("cpu", "memory", "pids", "io")] == [OK, OK, OK, NOTE]
    found = named(check_cgroups([old]))
    assert [found[n].state for n in ("cpu", "memory", "io")] == [OK, MISSING, OK]
    assert named(check_cgroups([old, v2]))["version"].found == "v1 and v2"
    assert named(check_cgroups([]))["version"].state == MISSING


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("user/max_user_namespaces", "0", "max_user_namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor profile"),
    ],
)
def test_switches_that_forbid_user_namespaces(tmp_path, path, value, word):
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(f"{value}\n")
    found = named(userns.check_user_namespaces(str(tmp_path)))
    assert word in found[path.replace("/", ".")].remedy
    (tmp_path / path).write_text("1000\n" if value == "0" else "0\n")
    assert named(userns.check_user_namespaces(str(tmp_path)))[path.replace("/", ".")].state == OK


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(devices, "_DEVICES", (("/dev/nosuch", "nothing", (10, 1), "nosuch"),))
    [check] = devices.check_devices()
    assert (check.state, check.remedy) == (NOTE, "modprobe nosuch")
    monkeypatch.setattr(devices, "known_misc_devices", lambda: {"nosuch"})
    [check] = devices.check_devices()
    assert (check.state, check.remedy) == (NOTE, "mknod -m 666 /dev/nosuch c 10 1")


def test_a_device_that_is_another(monkeypatch):
    monkeypatch.setattr(devices, "_DEVICES", (("/dev/null", "nothing", (10, 1), "nosuch"),))
    [check] = devices.check_devices()
    assert (check.state, check.found) == (NOTE, "is something else")
    assert check.remedy == "rm /dev/null && mknod -m 666 /dev/null c 10 1"
    monkeypatch.setattr(devices, "_DEVICES", (("/dev/null", "nothing", (1, 3), "nosuch"),))
    [check] = devices.check_devices()
    assert check.state == OK


def test_the_disk(monkeypatch, tmp_path):
    [check] = devices.check_root(f"{tmp_path}/not/yet")
    assert "GB free" in check.found
    monkeypatch.setattr(devices, "_SMALL", 1 << 62)
    [check] = devices.check_root(str(tmp_path))
    assert (check.state, "system prune" in check.remedy) == (NOTE, True)


class Answering:
    def __init__(self, error):
        self._error = error

    def open_transport(self, address):
        assert address.startswith("docker://registry.example/")
        return self

    def resolve(self, platform):
        raise self._error

    def close(self):
        pass


@pytest.mark.parametrize(
    ("error", "state"),
    [(ImageNotFound("x"), OK), (Unauthorized("x"), OK), (Unreachable("x"), NOTE)],
)
def test_registries(error, state):
    [check] = registries.check_registries(Answering(error), ["registry.example"])
    assert check.state == state


def plugin(kind: str, name: str, works: bool) -> PluginInfo:
    return PluginInfo(kind, name, "1", "d", 1, (), works)


def test_what_makes_a_profile_fail():
    profile = Profile("p", ("a", "b"), ("ns",), ("one", "two"), ("none",), (), {})
    here = [
        plugin("storage", "b", True),
        plugin("isolation", "ns", True),
        plugin("network", "none", True),
        plugin("transport", "one", True),
        plugin("transport", "two", True),
    ]
    assert _lacks(profile, here) == []
    assert _lacks(profile, here[1:]) == ["storage a, b"]
    assert _lacks(profile, here[:-1]) == ["transport two"]
