"""User namespaces: the container's root is nobody on the host, and its files do not know it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from .conftest import HOST_IMAGE, Plugrun
from .terminal import Terminal

IMAGE = HOST_IMAGE.replace("host:", "host:chown,grep,tty,setcap,getcap,")
FIRST = 0x70000000


def uid_map(tool: Plugrun, *args: str) -> list[int]:
    found = tool.out("run", "--rm", *args, IMAGE, "cat", "/proc/self/uid_map")
    return [int(word) for word in found.split()]


@pytest.fixture
def remapped(plugrun: Plugrun, tmp_path) -> Plugrun:
    """The command with a profile whose containers are remapped, on the same root."""
    config = tmp_path / "remapped.yaml"
    with open(plugrun.config) as file:
        text = file.read()
    name = re.search(r"profile: (\S+)", text)[1]
    config.write_text(f"{text.rstrip()}\n    userns: default\n")
    assert name in text
    return Plugrun(str(config), plugrun.root, plugrun.run_root)


@pytest.fixture
def box(plugrun: Plugrun) -> Iterator[str]:
    """A remapped container that runs, with files of several owners."""
    plugrun(
        *("run", "-d", "--name", "box", "--userns=remap", "-v", "data:/vol", IMAGE, "sh", "-c"),
        "touch /own /vol/v; chown 9:10 /own; mkdir /d; touch /d/x; echo 1 >> /etc/passwd; "
        "setcap cap_net_raw+ep /d/x; touch /ready; sleep 600",
    )
    plugrun("exec", "box", "sh", "-c", "while [ ! -e /ready ]; do :; done")
    yield "box"
    plugrun("rm", "-f", "box")


def members(data: bytes) -> dict[str, tuple[int, int]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {info.name: (info.uid, info.gid) for info in archive}


def tar_of(tool: Plugrun, *args: str) -> dict[str, tuple[int, int]]:
    done = subprocess.run([*tool.argv, *args], capture_output=True, check=True, timeout=120)
    return members(done.stdout)


def test_root_inside_is_nobody_outside(plugrun: Plugrun, box: str) -> None:
    state = plugrun.inspect(box)
    assert state["HostConfig"]["UsernsMode"] == "remap"
    pid = state["State"]["Pid"]
    assert os.stat(f"/proc/{pid}").st_uid == FIRST
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    inside = plugrun.out("exec", box, "sh", "-c", "id -u; cat /proc/self/uid_map; stat -c %u /")
    assert inside.split() == ["0", "0", str(FIRST), "65536", "0"]
    assert "sleep 600" in plugrun.out("top", box)


def test_what_it_makes_on_the_host_is_not_roots(plugrun: Plugrun, tmp_path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "closed").write_text("secret")
    (tmp_path / "closed").chmod(0o600)
    done = plugrun(
        *("run", "--rm", "--userns=remap", "-v", f"{shared}:/b", "-v", f"{tmp_path}/closed:/c"),
        *(IMAGE, "sh", "-c", "touch /b/made; chmod 4755 /b/made; stat -c %u /b/made /c; cat /c"),
        code=1,
    )
    assert done.stdout.split() == ["0", "65534"]
    assert "Permission denied" in done.stderr
    state = os.stat(shared / "made")
    assert (state.st_uid, state.st_gid) == (FIRST, FIRST)


def test_files_of_the_image_are_its_own(plugrun: Plugrun) -> None:
    script = "stat -c %u:%g /etc/passwd /etc/hosts /etc/hostname /tmp; echo x >> /etc/hosts; "
    script += "touch /usr/bin/cat; echo more >> /etc/passwd; chown 5:6 /etc/passwd; echo done"
    lines = plugrun.out("run", "--rm", "--userns=remap", IMAGE, "sh", "-c", script).splitlines()
    assert lines == ["0:0"] * 4 + ["done"]


def test_volumes_are_its_own_and_anybodys(plugrun: Plugrun) -> None:
    script = "touch /v/$0; chown 7:8 /v/$0; stat -c %u:%g /v /v/*"
    for number, mode in enumerate(("remap", "host", "auto"), 1):
        out = plugrun.out(
            "run", "--rm", f"--userns={mode}", "-v", "both:/v", IMAGE, "sh", "-c", script, mode
        )
        assert out.split() == ["0:0"] + ["7:8"] * number
    place = json.loads(plugrun.out("volume", "inspect", "both"))[0]["Mountpoint"]
    assert {os.stat(f"{place}/{name}").st_uid for name in os.listdir(place)} == {7}


def test_a_volume_is_filled_with_the_images_owners(plugrun: Plugrun, registry, tmp_path) -> None:
    plugrun("create", "--name", "made", IMAGE, "true")
    with open(tmp_path / "x.tar", "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("srv")
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, 0o750, 11, 12
        archive.addfile(info)
        info = tarfile.TarInfo("srv/file")
        info.uid, info.gid = 13, 14
        archive.addfile(info)
    with open(tmp_path / "x.tar", "rb") as file:
        subprocess.run([*plugrun.argv, "cp", "-a", "-", "made:/"], stdin=file, check=True)
    plugrun("commit", "made", "with-srv")
    out = plugrun.out(
        *("run", "--rm", "--userns=remap", "-v", "filled:/srv", "with-srv"),
        *("stat", "-c", "%u:%g:%a", "/srv", "/srv/file"),
    )
    assert out.split() == ["11:12:750", "13:14:644"]


def test_the_fence_holds(plugrun: Plugrun) -> None:
    script = """grep -e CapEff -e Seccomp: /proc/self/status
    for act in 'mount -t tmpfs none /tmp' 'mknod /n b 8 0' 'mkdir /sys/fs/cgroup/memory/x' \
        'touch /proc/sys/kernel/hostname'
    do sh -c "$act" 2>/dev/null && echo "done: $act"; done; true"""
    words = plugrun.out("run", "--rm", "--userns=remap", IMAGE, "sh", "-c", script).split()
    assert words == ["CapEff:", "00000000a80425fb", "Seccomp:", "2"]


def test_tmpfs_limits_and_names(plugrun: Plugrun) -> None:
    out = plugrun.out(
        *(
            "run",
            "--rm",
            "--userns=remap",
            "--tmpfs",
            "/t:uid=3",
            "--hostname",
            "inner",
            "-m",
            "64m",
        ),
        *("--ulimit", "nofile=99:99", "--pids-limit", "20", "--shm-size", "1m", "--read-only"),
        *("--sysctl", "net.ipv4.ip_forward=1", "--init", IMAGE, "sh", "-c"),
        "stat -c %u /t; cat /etc/hostname; ulimit -n; cat /proc/sys/net/ipv4/ip_forward; "
        "cat /proc/sys/net/ipv4/ping_group_range; touch /x 2>/dev/null || echo ro; "
        "stat -c %u:%a /dev/shm /dev/mqueue /dev/pts",
    )
    assert out.split() == [
        *("3", "inner", "99", "1", "0", "65535", "ro", "0:1777", "0:1777", "0:755"),
    ]


def test_a_terminal(plugrun: Plugrun, box: str) -> None:
    script = "stat -c %u:%g:%a $(tty); echo said > /dev/tty; [ -w /dev/console ] && echo writable"
    run = ["run", "--rm", "-it", "--userns=remap", IMAGE, "sh", "-c", script]
    with Terminal([*plugrun.argv, *run]) as one:
        one.process.wait(60)
        one.expect("0:5:620")
        one.expect("said")
        one.expect("writable")
    script = "stat -c %u:%g $(tty); echo said > /dev/stdout"
    with Terminal([*plugrun.argv, "exec", "-it", "-u", "7", box, "sh", "-c", script]) as one:
        one.process.wait(60)
        one.expect("7:5")
        one.expect("said")


def test_exec_is_inside_with_the_fence(plugrun: Plugrun, box: str) -> None:
    pid = plugrun.inspect(box)["State"]["Pid"]
    look = "id -u; stat -Lc %i /proc/self/ns/user; grep CapEff /proc/self/status; touch /tmp/by"
    words = plugrun.out("exec", "-u", "33", box, "sh", "-c", f"{look}; stat -c %u /tmp/by").split()
    assert words[:2] == ["33", str(os.stat(f"/proc/{pid}/ns/user").st_ino)]
    assert int(words[3], 16) == 0
    assert words[4] == "33"
    assert "no place" in plugrun("exec", "-u", "70000", box, "true", code=None).stderr


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_files_go_out_with_the_owners_inside(plugrun: Plugrun, box: str, state: str) -> None:
    if state == "stopped":
        plugrun("kill", box)
        plugrun("wait", box)
    assert tar_of(plugrun, "cp", f"{box}:/own", "-") == {"own": (9, 10)}
    assert tar_of(plugrun, "cp", f"{box}:/vol/v", "-") == {"v": (0, 0)}
    found = tar_of(plugrun, "export", box)
    assert found["own"] == (9, 10)
    assert found["etc/passwd"] == (0, 0)
    assert plugrun.out("diff", box).splitlines() == [
        *("A /d", "A /d/x", "C /etc", "C /etc/passwd", "A /own", "A /ready", "A /vol"),
    ]
    plugrun("commit", box, "of-box")
    for mode in ("host", "remap"):
        out = plugrun.out(
            *("run", "--rm", f"--userns={mode}", "of-box", "sh", "-c"),
            "stat -c %u:%g /own /d/x /etc/passwd; getcap /d/x",
        )
        assert out.splitlines()[:3] == ["9:10", "0:0", "0:0"]
        assert "cap_net_raw" in out


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_files_come_in_with_the_owners_inside(
    plugrun: Plugrun, box: str, state: str, tmp_path
) -> None:
    if state == "stopped":
        plugrun("kill", box)
        plugrun("wait", box)
    (tmp_path / "f").write_text("hi")
    os.chown(tmp_path / "f", 5, 6)
    plugrun("cp", str(tmp_path / "f"), f"{box}:/d/f")
    plugrun("cp", "-a", str(tmp_path / "f"), f"{box}:/vol/f")
    os.chown(tmp_path / "f", 70000, 6)
    refused = plugrun("cp", "-a", str(tmp_path / "f"), f"{box}:/d/g", code=1)
    assert "who has no place in the container's user namespace" in refused.stderr
    plugrun("start", box)
    assert plugrun.out("exec", box, "stat", "-c", "%u:%g", "/d/f", "/vol/f").split() == [
        "0:0",
        "5:6",
    ]


def test_it_starts_again_as_it_was(plugrun: Plugrun, box: str) -> None:
    plugrun("restart", "-t", "0", box)
    assert plugrun.out("exec", box, "cat", "/proc/self/uid_map").split()[1] == str(FIRST)
    assert plugrun.out("exec", box, "stat", "-c", "%u:%g", "/own") == "9:10"


def test_namespaces_are_shared_with_their_user_namespace(plugrun: Plugrun, box: str) -> None:
    look = ("stat", "-Lc", "%i", "/proc/self/ns/user")
    own = plugrun.out("exec", box, *look)
    assert plugrun.out("run", "--rm", f"--pid=container:{box}", IMAGE, *look) == own
    wrong = (f"--pid=container:{box}", "--userns=host")
    refused = plugrun("run", "--rm", *wrong, IMAGE, "true", code=125)
    assert "has another user namespace" in refused.stderr
    plugrun(
        "run", "-d", "--name", "giver", "--userns=remap", "--ipc=shareable", IMAGE, "sleep", "600"
    )
    script = "stat -Lc %i /proc/self/ns/user; touch /dev/shm/x; stat -c %u /dev/shm/x"
    out = plugrun.out("run", "--rm", "--ipc=container:giver", IMAGE, "sh", "-c", script)
    assert out.split() == [plugrun.out("exec", "giver", *look), "0"]
    assert plugrun.out("exec", "giver", "stat", "-c", "%u", "/dev/shm/x") == "0"


def test_auto_gives_each_its_own(plugrun: Plugrun) -> None:
    for name in ("a1", "a2"):
        plugrun("run", "-d", "--name", name, "--userns=auto:size=1000", IMAGE, "sleep", "600")
    maps = [plugrun.out("exec", name, "cat", "/proc/self/uid_map").split() for name in ("a1", "a2")]
    assert [row[2] for row in maps] == ["1000", "1000"]
    first, second = sorted(int(row[1]) for row in maps)
    assert second >= first + 1000 > FIRST + 65536
    plugrun("rm", "-f", "a1")
    assert uid_map(plugrun, "--userns=auto:size=500")[1] == int(maps[0][1])


def test_a_profile_remaps_all(remapped: Plugrun) -> None:
    assert uid_map(remapped) == [0, FIRST, 65536]
    assert uid_map(remapped, "--userns=host") == [0, 0, 2**32 - 1]
    assert uid_map(remapped, "--userns=remap") == [0, FIRST, 65536]
    remapped("create", "--name", "asked", IMAGE, "true")
    assert remapped.inspect("asked")["HostConfig"]["UsernsMode"] == ""
    assert "name=userns" in json.loads(remapped.out("info", "-f", "{{json .SecurityOptions}}"))
    assert "userns: default" in remapped.out("config", "show")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--privileged", "privileged mode is incompatible with user namespaces"),
        ("--network=host", "cannot share the host's network namespace when user namespaces are"),
        ("--pid=host", "cannot share the host PID namespace when user namespaces are enabled"),
    ],
)
def test_what_leaves_no_fence_is_refused(remapped: Plugrun, option: str, words: str) -> None:
    assert words in remapped("run", "--rm", option, IMAGE, "true", code=125).stderr
    remapped("run", "--rm", option, "--userns=host", IMAGE, "true")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("remap:nobody-knows", "no subordinate IDs found for nobody-knows in /etc/subuid"),
        ("auto:size=0", "not auto:size=NUMBER"),
        ("auto:size=99999999999", "not auto:size=NUMBER"),
        ("keep-id", "invalid USER mode"),
    ],
)
def test_a_wrong_mode_is_refused(plugrun: Plugrun, mode: str, words: str) -> None:
    before = plugrun.out("ps", "-aq")
    assert words in plugrun("run", "--rm", f"--userns={mode}", IMAGE, "true", code=125).stderr
    assert plugrun.out("ps", "-aq") == before
