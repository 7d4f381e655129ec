"""Options of run, create and exec: from the flag to what it does in the container."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun, cgroups_of

NONE = ("--network", "none")
DEFAULT = 0xA80425FB


def run(plugrun: Plugrun, *words: str, code: int = 0) -> str:
    """Return what a container prints; the last words from IMAGE on are its command."""
    return plugrun.out("run", "--rm", *NONE, *words, code=code)


def fails(plugrun: Plugrun, *words: str, code: int = 125) -> str:
    done = plugrun("run", "--rm", *NONE, *words, HOST_IMAGE, "true", code=code)
    return done.stderr.splitlines()[0]


def status(plugrun: Plugrun, *words: str) -> dict[str, str]:
    """Return /proc/self/status of a container's process."""
    text = run(plugrun, *words, HOST_IMAGE, "cat", "/proc/self/status")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def mask(plugrun: Plugrun, *words: str) -> int:
    return int(status(plugrun, *words)["CapBnd"], 16)


def at_hand() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))


def namespace(text: str) -> str:
    """Return ``ipc:[4026…]`` out of a long listing."""
    return text.rpartition(" -> ")[2]


# -- what it may do -----------------------------------------------------------------------


def test_capabilities(plugrun):
    assert mask(plugrun) == DEFAULT
    assert mask(plugrun, "--cap-add", "net_admin") == DEFAULT | 1 << 12
    assert mask(plugrun, "--cap-drop", "ALL", "--cap-add", "CHOWN") == 1
    assert mask(plugrun, "--cap-drop", "all") == 0
    assert mask(plugrun, "--cap-add", "ALL", "--cap-drop", "CHOWN") == at_hand() & ~1


def test_privileged(plugrun):
    script = "cat /proc/self/status; echo; mount; mkdir /m && mount -t tmpfs x /m && echo mounted"
    text = run(plugrun, "--privileged", HOST_IMAGE, "sh", "-c", script)
    assert f"CapEff:\t{at_hand():016x}" in text
    assert "Seccomp:\t0" in text
    assert "sysfs on /sys type sysfs (rw" in text
    assert text.endswith("mounted")
    devices = set(run(plugrun, "--privileged", HOST_IMAGE, "ls", "/dev").split())
    own = {n for n in os.listdir("/dev") if os.stat(f"/dev/{n}").st_mode & 0o170000 == 0o060000}
    assert own <= devices


def test_no_new_privileges_and_seccomp(plugrun, tmp_path):
    assert status(plugrun, "--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"
    found = status(plugrun, "--security-opt", "seccomp=unconfined")
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("0", "0")
    path = tmp_path / "profile.json"
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}))
    given = ("--security-opt", f"seccomp={path}", HOST_IMAGE)
    assert run(plugrun, *given, "sh", "-c", "mkdir /x 2>&1 || echo denied").endswith("denied")
    assert run(plugrun, *given, "sh", "-c", "touch /x && echo made") == "made"


def test_systempaths_unconfined(plugrun):
    script = ("sh", "-c", "mount; ls /proc/acpi; head -c 1 /proc/timer_list")
    open_paths = run(plugrun, "--security-opt", "systempaths=unconfined", HOST_IMAGE, *script)
    assert " on /proc/sys " not in open_paths
    assert " on /proc/sys " in plugrun.out("run", "--rm", *NONE, HOST_IMAGE, "mount")


def test_sysctl_ulimit_oom_score_shared_memory(plugrun):
    script = (
        "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj; "
        "ulimit -n; ulimit -Hn; mount"
    )
    text = run(
        plugrun, "--sysctl", "kernel.msgmax=10000", "--sysctl", "net.ipv4.ip_forward=1",
        "--oom-score-adj", "500", "--ulimit", "nofile=100:200", "--shm-size", "1m",
        HOST_IMAGE, "sh", "-c", script,
    )  # fmt: skip
    assert text.split()[:5] == ["10000", "1", "500", "100", "200"]
    shm = next(line for line in text.splitlines() if " on /dev/shm " in line)
    assert "size=1024k" in shm


def test_devices(plugrun):
    listed = run(plugrun, "--device", "/dev/null:/dev/x", HOST_IMAGE, "ls", "-l", "/dev/x")
    assert listed.startswith("crw-rw-rw- 1 root root 1, 3")
    assert fails(plugrun, "--device", "/dev/nope").endswith(
        'adding custom device "/dev/nope": no such file or directory'
    )
    loop = ("sh", "-c", "mknod /l c 10 237; head -c 0 /l && echo opened || echo kept out")
    assert run(plugrun, HOST_IMAGE, *loop) == "kept out"
    if os.path.exists("/dev/loop-control"):
        given = ("--device-cgroup-rule", "c 10:237 r", HOST_IMAGE)
        assert run(plugrun, *given, *loop) == "opened"


def test_groups_and_users(plugrun, debian):
    assert run(plugrun, "--group-add", "audio", "--group-add", "555", debian, "id") == (
        "uid=0(root) gid=0(root) groups=0(root),29(audio),555"
    )
    assert run(plugrun, "-u", "daemon:audio", "--group-add", "video", debian, "id") == (
        "uid=1(daemon) gid=29(audio) groups=29(audio),44(video)"
    )
    assert fails(plugrun, "--group-add", "nope") == (
        "plugrun: Unable to find group nope: no matching entries in group file"
    )


# -- where it lives -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pid", "ipc", "uts"])
def test_the_hosts_namespaces(plugrun, kind):
    listed = ("ls", "-l", f"/proc/self/ns/{kind}")
    own = os.readlink(f"/proc/self/ns/{kind}")
    assert namespace(run(plugrun, f"--{kind}", "host", HOST_IMAGE, *listed)) == own
    assert namespace(run(plugrun, HOST_IMAGE, *listed)) != own


@pytest.mark.cgroups
def test_cgroup_namespace(plugrun):
    listed = ("ls", "-l", "/proc/self/ns/cgroup")
    own = os.readlink("/proc/self/ns/cgroup")
    assert namespace(run(plugrun, "--cgroupns", "host", HOST_IMAGE, *listed)) == own
    assert namespace(run(plugrun, "--cgroupns", "private", HOST_IMAGE, *listed)) != own
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    assert (namespace(run(plugrun, HOST_IMAGE, *listed)) != own) == unified


def runs(pid: str) -> bool:
    """Whether a process is there and no zombie, which is for its new parent to reap."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_on_the_hosts_processes_a_containers_end_is_the_end_of_all(plugrun):
    # What the first process leaves behind holds the output open, and nobody waits for it.
    script = "sleep 1000 & echo $!; exec sleep 0"
    words = ("--pid", "host", HOST_IMAGE, "sh", "-c", script)
    left = plugrun.out("run", "--rm", *NONE, *words)
    assert not runs(left)
    name = plugrun.out("run", "-d", *NONE, *words)
    assert plugrun.out("wait", name) == "0"
    assert not runs(plugrun.out("logs", name))


def test_another_containers_processes(plugrun):
    plugrun("run", "-d", "--name", "other", *NONE, HOST_IMAGE, "sleep", "1000")
    given = ("--pid", "container:other", HOST_IMAGE)
    assert run(plugrun, *given, "cat", "/proc/1/cmdline") == "sleep\x001000\x00"
    id = plugrun.inspect("other")["Id"]
    plugrun("create", "--name", "later", *NONE, "--pid", "container:other", HOST_IMAGE, "true")
    assert plugrun.inspect("later")["HostConfig"]["PidMode"] == f"container:{id}"
    plugrun("start", "-a", "later")
    plugrun("stop", "-t", "0", "other")
    assert f"container {id} is not running" in plugrun("start", "later", code=1).stderr


def test_another_containers_shared_memory(plugrun):
    script = "echo from there > /dev/shm/x; sleep 1000"
    donor = ("run", "-d", "--name", "donor", "--ipc", "shareable", *NONE, HOST_IMAGE)
    id = plugrun.out(*donor, "sh", "-c", script)
    wait = "while ! test -s /dev/shm/x; do :; done; echo back > /dev/shm/y; cat /dev/shm/x"
    given = ("--ipc", "container:donor", HOST_IMAGE)
    assert run(plugrun, *given, "sh", "-c", wait) == "from there"
    assert plugrun.out("exec", "donor", "cat", "/dev/shm/y") == "back"
    listed = ("ls", "-l", "/proc/self/ns/ipc")
    assert namespace(run(plugrun, *given, *listed)) == namespace(
        plugrun.out("exec", "donor", *listed)
    )
    plugrun("rm", "-f", "donor")
    assert os.listdir(f"{plugrun.run_root_of_root}/containers") == []
    assert fails(plugrun, "--ipc", "container:donor").endswith("No such container: donor")
    plugrun("run", "-d", "--name", "shy", *NONE, HOST_IMAGE, "sleep", "1000")
    message = fails(plugrun, "--ipc", "container:shy")
    assert message.startswith("plugrun: can't join IPC of container ")
    assert message.endswith("(hint: use IpcMode:shareable for the donor container)")
    assert id not in plugrun.out("ps", "-aq", "--no-trunc")


_TAKE_AWAY = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
space = os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY)
assert libc.setns(space, 0x20000) == 0
assert libc.umount2(b"/dev/shm", 2) == 0
os.rmdir("/dev/shm")
os.symlink("/proc/self/fd/3", "/dev/shm")
"""


def test_shared_memory_that_a_container_has_replaced(plugrun):
    plugrun("run", "-d", "--name", "donor", "--ipc", "shareable", *NONE, HOST_IMAGE, "sleep", "100")
    try:
        pid = plugrun.out("inspect", "-f", "{{.State.Pid}}", "donor")
        subprocess.run([sys.executable, "-c", _TAKE_AWAY, pid], check=True, timeout=60)
        message = fails(plugrun, "--ipc", "container:donor")
        assert "can't share /dev/shm of the other container: " in message
    finally:
        plugrun("rm", "-f", "donor")


def test_no_shared_memory(plugrun):
    assert "shm" not in run(plugrun, "--ipc", "none", HOST_IMAGE, "ls", "/dev").split()


def test_names_and_resolvers(plugrun):
    words = (
        "--hostname", "foo.bar", "--domainname", "d", "--add-host", "a:1.2.3.4", "--add-host",
        "b=[::1]", "--dns", "1.2.3.4", "--dns-search", "x.y", "--dns-option", "ndots:3",
    )  # fmt: skip
    files = "/etc/hostname /etc/hosts /etc/resolv.conf /proc/sys/kernel/domainname"
    text = run(plugrun, *words, HOST_IMAGE, "sh", "-c", f"cat {files}")
    lines = text.splitlines()
    assert lines[0] == "foo.bar"
    assert "1.2.3.4\ta" in lines
    assert "::1\tb" in lines
    assert lines[-4:] == ["search x.y", "nameserver 1.2.3.4", "options ndots:3", "d"]


def test_host_gateway(plugrun):
    message = fails(plugrun, "--add-host", "gw:host-gateway")
    assert message == "plugrun: unable to derive the IP value for host-gateway"
    words = ("--network", "host", "--add-host", "gw:host-gateway", HOST_IMAGE)
    hosts = plugrun.out("run", "--rm", *words, "cat", "/etc/hosts")
    assert "127.0.0.1\tgw" in hosts.splitlines()


def test_cpus_of_the_set(plugrun):
    script = "cat /proc/self/status"
    text = run(plugrun, "--cpuset-cpus", "0", HOST_IMAGE, "sh", "-c", script)
    assert "Cpus_allowed_list:\t0\n" in text
    assert fails(plugrun, "--cpuset-cpus", "4000").startswith(
        "plugrun: Requested CPUs are not available - requested 4000, available: "
    )


def block_device() -> str:
    """Return a block device of this machine, as a path."""
    for name in sorted(os.listdir("/sys/block")):
        if os.path.exists(f"/dev/{name}"):
            return f"/dev/{name}"
    pytest.skip("this machine has no block device")


@pytest.mark.cgroups
def test_rates_of_a_device(plugrun):
    device = block_device()
    number = os.stat(device).st_rdev
    files = "/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device /sys/fs/cgroup/io.max"
    given = ("--device-read-bps", f"{device}:1mb", HOST_IMAGE)
    text = run(plugrun, *given, "sh", "-c", f"cat {files} 2>/dev/null; true")
    assert f"{os.major(number)}:{os.minor(number)} " in text
    assert "1048576" in text


@pytest.fixture
def parent_cgroup() -> Iterator[str]:
    """A name for a cgroup; what is made of it is removed."""
    name = f"plugrun-test-{os.getpid()}"
    yield name
    for path in glob.glob(f"/sys/fs/cgroup/*/{name}") + glob.glob(f"/sys/fs/cgroup/{name}"):
        os.rmdir(path)


@pytest.mark.cgroups
def test_cgroup_parent(plugrun, parent_cgroup):
    given = ("--cgroup-parent", parent_cgroup, "--cgroupns", "host", HOST_IMAGE)
    assert f"/{parent_cgroup}/" in run(plugrun, *given, "cat", "/proc/self/cgroup")


_DIVIDE = """
cd /sys/fs/cgroup; test ! -d pids || cd pids
mkdir inner && echo 0 >inner/cgroup.procs && echo made
"""


@pytest.mark.cgroups
def test_writable_cgroups(plugrun):
    given = ("--cgroupns", "private", HOST_IMAGE, "sh", "-c", _DIVIDE)
    refused = plugrun("run", "--rm", *NONE, *given, code=None)
    assert "Read-only file system" in refused.stderr
    assert run(plugrun, "--security-opt", "writable-cgroups=true", *given) == "made"
    assert run(plugrun, "--privileged", *given) == "made"
    detached = ("run", "-d", *NONE, "--security-opt", "writable-cgroups=true", *given[:-1])
    id = plugrun.out(*detached, f"{_DIVIDE}sleep 1000")
    while plugrun.out("logs", id) != "made":
        pass
    assert "inner" in plugrun.out("exec", id, "cat", "/proc/1/cgroup")
    plugrun("rm", "-f", id)
    assert cgroups_of({id}) == []


# -- create, refusals, exec, inspect ------------------------------------------------------


def test_create_refuses_as_docker_does(plugrun):
    done = plugrun("create", "--pid", "foo", HOST_IMAGE, code=125)
    assert done.stderr == (
        "plugrun: --pid: invalid PID mode\n\nRun 'plugrun create --help' for more information\n"
    )
    done = plugrun("create", "--cap-add", "foo", HOST_IMAGE, code=1)
    assert done.stderr == 'Error: invalid CapAdd: unknown capability: "CAP_FOO"\n'
    done = plugrun("create", "--gpus", "all", HOST_IMAGE, code=125)
    assert done.stderr.startswith("plugrun: --gpus is not supported\nhint: name the devices ")
    assert plugrun.out("ps", "-aq") == ""


def test_an_unknown_runtime(plugrun):
    done = plugrun("run", *NONE, "--runtime", "nope", HOST_IMAGE, code=125)  # and pulls it
    assert "`isolation: oci` runs an OCI runtime" in done.stderr
    assert fails(plugrun, "--runtime", "nope") == "plugrun: Unknown runtime specified nope"
    plugrun("create", *NONE, HOST_IMAGE, "true")
    made = plugrun.inspect(plugrun.out("ps", "-aq"))["HostConfig"]["Runtime"]
    run(plugrun, "--runtime", made, HOST_IMAGE, "true")


def test_exec_is_the_container_and_more(plugrun):
    words = ("--cap-drop", "ALL", "--group-add", "55", "--ulimit", "nofile=100:200")
    plugrun("run", "-d", "--name", "box", *NONE, *words, HOST_IMAGE, "sleep", "1000")
    text = plugrun.out("exec", "box", "sh", "-c", "cat /proc/self/status; ulimit -n; id")
    assert f"CapBnd:\t{0:016x}" in text
    assert text.splitlines()[-2:] == ["100", "uid=0(root) gid=0(root) groups=0(root),55"]
    text = plugrun.out("exec", "--privileged", "box", "cat", "/proc/self/status")
    assert f"CapEff:\t{at_hand():016x}" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-u", "nope"), "unable to find user nope: no matching entries in passwd file"),
        (("-u", "1:nope"), "unable to find group nope: no matching entries in group file"),
        (("-w", "/nope"), 'chdir to cwd ("/nope") failed: no such file or directory'),
        (("-w", "nope"), "Cwd must be an absolute path"),
    ],
)
def test_exec_that_cannot_be_is_126(plugrun, words, message):
    plugrun("run", "-d", "--name", "box", *NONE, HOST_IMAGE, "sleep", "1000")
    done = plugrun("exec", *words, "box", "true", code=126)
    assert done.stderr.splitlines()[0] == f"Error: {message}"


def test_inspect_of_sizes_and_types(plugrun):
    plugrun("run", "--name", "fat", *NONE, HOST_IMAGE, "dd", "if=/dev/zero", "of=/f", "bs=1M",
            "count=3")  # fmt: skip
    form = ("-f", "{{.SizeRw}} {{.SizeRootFs}}")
    own, whole = map(int, plugrun.out("inspect", "-s", *form, "fat").split())
    assert 3 << 20 <= own < whole
    assert plugrun.out("container", "inspect", *form, "fat") == "<nil> <nil>"
    done = plugrun("inspect", "--type", "image", "fat", code=1)
    assert (done.stdout, done.stderr) == ("[]\n", "Error: No such image: fat:latest\n")
    done = plugrun("inspect", "-s", "-f", "{{.Os}}", HOST_IMAGE)
    assert done.stdout == "linux\n"
    assert done.stderr == "WARNING: --size ignored for image\n"
    assert plugrun("inspect", "--type", "x", "fat", code=1).stderr.startswith('unknown type: "x"')
    driver = plugrun.inspect("fat")["GraphDriver"]
    assert os.path.getsize(f"{driver['Data']['UpperDir']}/f") == 3 << 20
