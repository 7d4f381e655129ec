"""From a container's record to the runtime spec: what goes beyond Docker's defaults."""

import os

import pytest
from plugrun.engine.fence import capabilities
from plugrun.engine.fence.accounts import Accounts, Identity, identify, with_groups
from plugrun.engine.fence.capabilities import KNOWN, allowed, named
from plugrun.engine.fence.hostdevices import every_device, mapped_devices, rule
from plugrun.engine.fence.resources import limited
from plugrun.engine.fence.spec import DEFAULT_CAPABILITIES, runtime_spec
from plugrun.errors import InvalidArgument, IsolationError
from plugrun.model.fence import DeviceMapping, DeviceRate, Limits, Namespaces, Security, Ulimit

from tests.unit.cli.examples import container

ROOT = Identity(0, 0, (), "/root")


@pytest.fixture(autouse=True)
def all_at_hand(monkeypatch):
    """Whatever this machine's root may do: the tests are about what is made of it."""
    monkeypatch.setattr(capabilities, "at_hand", lambda: KNOWN)
    monkeypatch.setattr("plugrun.engine.fence.fencing.at_hand", lambda: KNOWN)


def spec_of(**changes):
    values = {"mounts": (), **changes}
    return runtime_spec(container(**values), ROOT, "/folder")


def kinds(spec):
    return {item["type"] for item in spec["linux"]["namespaces"]}


def mount(spec, target):
    found = [m for m in spec["mounts"] if m["destination"] == target]
    return found[0] if found else None


# -- capabilities: moby's TweakCapabilities, measured -------------------------------------


@pytest.mark.parametrize(
    ("add", "drop", "found"),
    [
        ((), (), DEFAULT_CAPABILITIES),
        (("NET_ADMIN",), (), (*DEFAULT_CAPABILITIES, "CAP_NET_ADMIN")),
        (("chown",), ("chown",), {*DEFAULT_CAPABILITIES}),
        (("chown",), ("all",), ("CAP_CHOWN",)),
        ((), ("ALL",), ()),
        (("ALL",), ("CAP_NET_RAW",), {*KNOWN} - {"CAP_NET_RAW"}),
        (("ALL",), ("ALL",), KNOWN),
    ],
)
def test_capabilities(add, drop, found):
    given = Security(cap_add=named(add, "CapAdd"), cap_drop=named(drop, "CapDrop"))
    assert set(allowed(given)) == set(found)
    assert len(allowed(given)) == len(set(found))


def test_privileged_is_all_of_them_whatever_is_dropped():
    assert allowed(Security(privileged=True, cap_drop=("ALL",))) == KNOWN


def test_what_root_here_lacks_is_refused_by_name_and_left_out_of_all(monkeypatch):
    here = tuple(name for name in KNOWN if name != "CAP_SYS_TIME")
    monkeypatch.setattr(capabilities, "at_hand", lambda: here)
    with pytest.raises(IsolationError, match="CAP_SYS_TIME cannot be given here"):
        allowed(Security(cap_add=("CAP_SYS_TIME",)))
    assert allowed(Security(cap_add=("ALL",))) == here


def test_an_ordinary_user_has_none_in_effect():
    user = Identity(5, 5, (), "/")
    changed = container(mounts=(), security=Security(cap_add=("CAP_SYS_TIME",)))
    found = runtime_spec(changed, user, "/f")["process"]["capabilities"]
    assert "CAP_SYS_TIME" in found["bounding"]
    assert (found["effective"], found["permitted"]) == ([], [])


# -- namespaces, names, limits ------------------------------------------------------------


@pytest.fixture(params=["v1", "v2"])
def cgroups(request, monkeypatch):
    """A machine with this version of cgroups."""
    name = "plugrun.engine.fence.spec.cgroups_are_unified"
    monkeypatch.setattr(name, lambda: request.param == "v2")
    return request.param


def test_a_plain_container_has_dockers_namespaces(cgroups):
    """https://docs.docker.com/reference/cli/docker/container/run, --cgroupns."""
    always = {"mount", "pid", "ipc", "uts", "network"}
    assert kinds(spec_of()) == always | ({"cgroup"} if cgroups == "v2" else set())


@pytest.mark.parametrize("mode", ["host", "private"])
def test_the_cgroup_namespace_that_was_asked_for(cgroups, mode):
    found = kinds(spec_of(namespaces=Namespaces(cgroup=mode)))
    assert ("cgroup" in found) == (mode == "private")


@pytest.mark.parametrize(
    ("given", "writable"),
    [
        ({}, False),
        ({"privileged": True}, True),
        ({"writable_cgroups": True}, True),
        ({"privileged": True, "writable_cgroups": False}, False),
    ],
)
def test_cgroups_are_writable_where_asked(given, writable):
    mounts = spec_of(security=Security(**given))["mounts"]
    (view,) = [mount for mount in mounts if mount["destination"] == "/sys/fs/cgroup"]
    assert ("ro" not in view["options"]) == writable


@pytest.mark.parametrize(
    ("spaces", "gone"),
    [
        (Namespaces(pid="host"), "pid"),
        (Namespaces(ipc="host"), "ipc"),
        (Namespaces(uts="host"), "uts"),
    ],
)
def test_the_hosts_namespaces(spaces, gone):
    assert kinds(spec_of()) - kinds(spec_of(namespaces=spaces)) == {gone}


def test_on_the_hosts_uts_there_is_no_name_to_set():
    found = spec_of(namespaces=Namespaces(uts="host"))
    assert "hostname" not in found
    assert "domainname" not in found
    with pytest.raises(InvalidArgument, match="domainname and the UTS mode"):
        spec_of(namespaces=Namespaces(uts="host"), domainname="d")


def test_shared_memory_by_ipc_mode():
    assert "size=65536k" in mount(spec_of(), "/dev/shm")["options"]
    assert "size=4096" in mount(spec_of(shm_size=4096), "/dev/shm")["options"]
    assert mount(spec_of(namespaces=Namespaces(ipc="none")), "/dev/shm") is None
    host = mount(spec_of(namespaces=Namespaces(ipc="host")), "/dev/shm")
    assert (host["type"], host["source"]) == ("bind", "/dev/shm")
    assert mount(spec_of(namespaces=Namespaces(ipc="container:x")), "/dev/shm")["type"] == "bind"


def test_sysctls_of_namespaces_that_are_the_hosts_are_refused():
    net = Security(sysctls=(("net.x", "1"),))
    ipc = Security(sysctls=(("kernel.msgmax", "1"),))
    assert spec_of(security=net)["linux"]["sysctl"]["net.x"] == "1"
    with pytest.raises(InvalidArgument, match="not allowed in host network namespace"):
        spec_of(security=net, network="host")
    with pytest.raises(InvalidArgument, match="not allowed in the hosts ipc namespace"):
        spec_of(security=ipc, namespaces=Namespaces(ipc="host"))


def test_limits_of_processes():
    limits = Limits(ulimits=(Ulimit("nofile", 10, 20), Ulimit("core", -1, -1)))
    found = spec_of(limits=limits, security=Security(oom_score_adj=5, no_new_privileges=True))
    assert found["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
        {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1},
    ]
    assert found["process"]["oomScoreAdj"] == 5
    assert found["process"]["noNewPrivileges"] is True


def test_limits_that_root_here_cannot_raise_are_refused(monkeypatch):
    monkeypatch.setattr("plugrun.engine.fence.fencing.at_hand", lambda: ())
    monkeypatch.setattr("plugrun.engine.fence.fencing.present_limit", lambda kind: 50)
    with pytest.raises(IsolationError, match="error setting rlimit nofile"):
        spec_of(limits=Limits(ulimits=(Ulimit("nofile", 10, 51),)))
    assert spec_of(limits=Limits(ulimits=(Ulimit("nofile", 10, 50),)))["process"]["rlimits"]
    with pytest.raises(IsolationError, match="oom_score_adj cannot be lowered to -1000"):
        spec_of(security=Security(oom_score_adj=-1000))


def test_resources():
    found = limited(
        Limits(
            memory=100, memory_swap=-1, memory_reservation=50, swappiness=0,
            oom_kill_disable=True, cpu_shares=1, cpu_period=5, cpu_quota=6, cpuset_cpus="0",
            cpuset_mems="1", pids=7, blkio_weight=8,
        )
    )  # fmt: skip
    assert found == {
        "memory": {
            "limit": 100, "swap": -1, "reservation": 50, "swappiness": 0,
            "disableOOMKiller": True,
        },
        "cpu": {"shares": 2, "period": 5, "quota": 6, "cpus": "0", "mems": "1"},
        "pids": {"limit": 7},
        "blockIO": {"weight": 8},
    }  # fmt: skip
    assert limited(Limits(memory=100))["memory"] == {"limit": 100, "swap": 200}
    assert limited(Limits(nano_cpus=5 * 10**8))["cpu"] == {"quota": 50_000, "period": 100_000}
    assert limited(Limits()) == {}


def test_rates_of_devices(monkeypatch):
    monkeypatch.setattr(
        "plugrun.engine.fence.hostdevices.block_device", lambda path: (7, len(path))
    )
    found = limited(
        Limits(
            device_rates=(
                DeviceRate("weight", "/dev/a", 100),
                DeviceRate("read_bps", "/dev/a", 5),
                DeviceRate("read_bps", "/dev/bb", 6),
                DeviceRate("write_iops", "/dev/a", 7),
            )
        )
    )
    assert found["blockIO"] == {
        "weightDevice": [{"major": 7, "minor": 6, "weight": 100}],
        "throttleReadBpsDevice": [
            {"major": 7, "minor": 6, "rate": 5},
            {"major": 7, "minor": 7, "rate": 6},
        ],
        "throttleWriteIOPSDevice": [{"major": 7, "minor": 6, "rate": 7}],
    }


def test_only_block_devices_have_rates():
    for path, why in (("/dev/nope", "stat /dev/nope: no such file"), ("/dev/null", "is not a")):
        with pytest.raises(IsolationError) as raised:
            limited(Limits(device_rates=(DeviceRate("read_bps", path, 1),)))
        assert why in raised.value.message


@pytest.mark.parametrize(
    ("parent", "path"), [("/a/b", "/a/b/"), ("a", "/a/"), ("../../a", "/a/"), ("/..", "/")]
)
def test_a_parent_cgroup_never_leads_out_of_the_root(parent, path):
    found = spec_of(cgroup_parent=parent)["linux"]["cgroupsPath"]
    assert found == path + container().id


# -- devices and paths --------------------------------------------------------------------


def test_devices_are_made_and_allowed():
    given = Security(
        devices=(DeviceMapping("/dev/null", "/dev/x", "r"),), device_rules=("b 7:* rw",)
    )
    linux = spec_of(security=given)["linux"]
    assert [(d["path"], d["type"], d["major"], d["minor"]) for d in linux["devices"]] == [
        ("/dev/x", "c", 1, 3)
    ]
    assert linux["resources"]["devices"][-2:] == [
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"},
        {"allow": True, "type": "b", "major": 7, "access": "rw"},
    ]
    assert rule("a *:* rwm") == {"allow": True, "access": "rwm"}


def test_a_folder_of_devices(tmp_path):
    os.symlink("/dev", tmp_path / "link")
    paths = {d["path"] for d in mapped_devices(DeviceMapping(str(tmp_path / "link"), "/d"))}
    assert "/d/null" in paths
    assert not any(path.startswith("/dev") for path in paths)


@pytest.mark.parametrize(
    ("path", "why"),
    [("/dev/no-such-device", "no such file or directory"), ("/etc/passwd", "not a device node")],
)
def test_what_is_no_device_is_refused(path, why):
    with pytest.raises(IsolationError) as raised:
        list(mapped_devices(DeviceMapping(path, path)))
    wanted = f'error gathering device information while adding custom device "{path}": {why}'
    assert raised.value.message == wanted


def test_privileged():
    found = spec_of(security=Security(privileged=True))
    linux = found["linux"]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert {"/dev/null", "/dev/zero"} <= {d["path"] for d in linux["devices"]}
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])
    assert "seccomp" not in linux
    assert "ro" not in mount(found, "/sys")["options"]
    assert "ro" not in mount(found, "/sys/fs/cgroup")["options"]
    paths = {device["path"] for device in every_device()}
    assert "/dev/console" not in paths
    assert not any(path.startswith(("/dev/pts", "/dev/shm")) for path in paths)


def test_seccomp_fits_the_capabilities():
    def names(security):
        rules = spec_of(security=security)["linux"]["seccomp"]["syscalls"]
        allows = (r for r in rules if r["action"] == "SCMP_ACT_ALLOW" and "args" not in r)
        return {name for rule in allows for name in rule["names"]}

    assert "mount" not in names(Security(oom_score_adj=1))
    assert "mount" in names(Security(cap_add=("CAP_SYS_ADMIN",)))
    assert "chroot" not in names(Security(cap_drop=("ALL",)))
    assert "seccomp" not in spec_of(security=Security(seccomp="unconfined"))["linux"]


# -- groups -------------------------------------------------------------------------------


def test_further_groups_by_name_and_number():
    accounts = Accounts(b"u:x:5:5::/:\n", b"audio:x:29:\n")
    found = with_groups(identify("u", accounts), ("audio", "555"), accounts)
    assert found.supplementary == [5, 29, 555]
    with pytest.raises(InvalidArgument) as raised:
        with_groups(found, ("nope",), accounts)
    assert raised.value.message == "Unable to find group nope: no matching entries in group file"
