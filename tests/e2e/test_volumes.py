"""Volumes and every kind of mount: what a container sees, what stays, what is refused."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun
from tests.registry import Registry, make_image

RUN = ("run", "--rm", "--network", "none")
HEX = frozenset("0123456789abcdef")


def sh(plugrun: Plugrun, script: str, *options: str, image: str = HOST_IMAGE, **more) -> str:
    return plugrun.out(*RUN, *options, image, "sh", "-c", script, **more)


def names(plugrun: Plugrun, *options: str) -> set[str]:
    return set(plugrun.out("volume", "ls", "-q", *options).split())


@pytest.fixture(autouse=True)
def no_volumes_left(plugrun):
    yield
    plugrun.remove_all()
    left = names(plugrun)
    if left:
        plugrun("volume", "rm", *left)
    place = f"{plugrun.root}/volumes"
    assert not os.path.isdir(place) or os.listdir(place) == []


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more) -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), 1_000_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def layer_of(*members: tuple) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def image(registry: Registry, debian_tar: bytes) -> str:
    """Debian with folders to fill volumes from, and two declared as volumes."""
    folder = tarfile.DIRTYPE
    xattr = {"SCHILY.xattr.user.kind": "wild"}
    added = layer_of(
        member("data", folder, uid=1000, gid=1001, mode=0o2750),
        member("data/file", data=b"from the image\n", uid=1000, gid=7, mode=0o640),
        member("data/other", tarfile.LNKTYPE, linkname="data/file"),
        member("data/link", tarfile.SYMTYPE, linkname="/etc/shadow", uid=5),
        member("data/fifo", tarfile.FIFOTYPE, mode=0o622, uid=6),
        member("data/tool", data=b"#!/bin/sh\n", mode=0o4755, pax_headers=xattr),
        member("data/sub", folder, uid=8, mode=0o711),
        member("data/sub/deep", data=b"deep\n"),
        member("bare", folder, uid=3, gid=4, mode=0o700),
        member("way", tarfile.SYMTYPE, linkname="/data/sub"),
        member("out", tarfile.SYMTYPE, linkname="../../../../etc"),
        member("plain", data=b"a file\n"),
    )
    config = {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["true"], "Volumes": {"/data": {}, "bare/": {}}}
    return registry.push("e2e/volumes", make_image([debian_tar, added], config), "1")


LOOK = "cd /data; stat -c '%n %F %u:%g %a %h %Y' . file other link fifo tool sub sub/deep"


# -- the command volume ------------------------------------------------------------------------


def test_create_list_inspect_remove(plugrun):
    assert plugrun.out("volume", "create", "one", "--label", "a=b", "--label", "c") == "one"
    assert plugrun.out("volume", "create", "one", "--label", "x=y") == "one"
    random = plugrun.out("volume", "create")
    assert len(random) == 64
    assert HEX.issuperset(random)
    assert plugrun.out("volume", "ls").splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert names(plugrun) == {"one", random}
    assert names(plugrun, "--filter", "label=a=b") == {"one"}
    assert names(plugrun, "--filter", "name=^on") == {"one"}
    assert names(plugrun, "--filter", "driver=nfs") == set()
    (found,) = json.loads(plugrun.out("volume", "inspect", "one"))
    assert found["Labels"] == {"a": "b", "c": ""}
    assert found["Mountpoint"] == f"{plugrun.root}/volumes/one/_data"
    assert (found["Driver"], found["Scope"], found["Options"]) == ("local", "local", None)
    assert plugrun.out("inspect", "--type", "volume", "-f", "{{.Name}}", "one") == "one"
    row = json.loads(plugrun.out("volume", "ls", "--format", "json", "--filter", "name=one"))
    assert (row["Labels"], row["Links"], row["Mountpoint"]) == (
        "a=b,c=", "N/A", found["Mountpoint"],
    )  # fmt: skip
    assert plugrun.out("volume", "rm", "one", random).split() == ["one", random]
    assert not os.path.exists(f"{plugrun.root}/volumes/one")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("a",), "create a: volume name is too short, names should be at least two alphanumeric"),
        (("b c",), 'create b c: "b c" includes invalid characters for a local volume name'),
        (("../up",), "includes invalid characters"),
        ((".hidden",), "includes invalid characters"),
        (("n" * 256,), "file name too long"),
        (("ok", "-d", "nfs"), 'plugin "nfs" not found'),
        (("ok", "-o", "foo=1"), 'create ok: invalid option: "foo"'),
        (("ok", "-o", "type=tmpfs"), 'create ok: missing required option: "device"'),
        (("--name", "a1", "a2"), "conflicting options"),
    ],
)
def test_volumes_that_cannot_be(plugrun, args, message):
    done = plugrun("volume", "create", *args, code=1)
    assert message in done.stderr
    assert names(plugrun) == set()


def test_each_is_removed_and_each_failure_said(plugrun):
    plugrun("volume", "create", "v1")
    plugrun("create", "--name", "user", "-v", "v2:/x", HOST_IMAGE, "true")
    id = plugrun.inspect("user")["Id"]
    done = plugrun("volume", "rm", "no1", "v1", "v2", "no2", code=1)
    assert done.stdout == "v1\n"
    assert done.stderr.splitlines() == [
        "Error: get no1: no such volume",
        f"Error: remove v2: volume is in use - [{id}]",
        "Error: get no2: no such volume",
    ]
    assert plugrun.out("volume", "rm", "-f", "no1") == "no1"
    plugrun("volume", "rm", "-f", "v2", code=1)
    assert names(plugrun, "--filter", "dangling=true") == set()
    assert names(plugrun, "--filter", "dangling=0") == {"v2"}
    assert "invalid filter 'dangling=maybe'" in plugrun(
        "volume", "ls", "-f", "dangling=maybe", code=1
    ).stderr  # fmt: skip


def test_prune_asks_and_takes_anonymous_ones(plugrun):
    plugrun("volume", "create", "named")
    plugrun("volume", "create", "kept", "--label", "keep")
    anonymous = plugrun.out("volume", "create")
    with open(f"{plugrun.root}/volumes/{anonymous}/_data/file", "wb") as file:
        file.write(b"x" * 2048)
    asked = plugrun("volume", "prune", input="n\n")
    assert asked.stdout == (
        "WARNING! This will remove anonymous local volumes not used by at least one container.\n"
        "Are you sure you want to continue? [y/N] "
    )
    assert plugrun.out("volume", "prune", "-f").splitlines() == [
        "Deleted Volumes:", anonymous, "", "Total reclaimed space: 2.048kB",
    ]  # fmt: skip
    assert plugrun.out("volume", "prune", "-f") == "Total reclaimed space: 0B"
    plugrun("volume", "prune", "-a", "--filter", "label!=keep", input="y\n")
    assert names(plugrun) == {"kept"}


def test_system_df_and_prune_know_volumes(plugrun):
    plugrun("volume", "create", "named")
    anonymous = plugrun.out("volume", "create")
    with open(f"{plugrun.root}/volumes/{anonymous}/_data/file", "wb") as file:
        file.write(b"x" * 1500)
    plugrun("create", "--name", "user", "-v", "used:/v", HOST_IMAGE, "true")
    row = plugrun.out("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}")
    assert "Local Volumes|3|1|1.5kB" in row.splitlines()
    details = plugrun.out("system", "df", "-v").partition("Local Volumes space usage:")[2]
    assert ["used", "1", "0B"] in [line.split() for line in details.splitlines()]
    out = plugrun.out("system", "prune", "-f", "--volumes").splitlines()
    assert out[out.index("Deleted Volumes:") + 1] == anonymous
    assert names(plugrun) == {"named", "used"}


# -- volumes in containers ---------------------------------------------------------------------


def test_a_named_volume_outlives_its_containers(plugrun):
    sh(plugrun, "echo kept > /v/file", "-v", "keep:/v")
    assert sh(plugrun, "cat /w/file", "--mount", "type=volume,src=keep,dst=/w") == "kept"
    done = plugrun(*RUN, "-v", "keep:/v:ro", HOST_IMAGE, "touch", "/v/x", code=None)
    assert "Read-only" in done.stderr
    assert sh(plugrun, "cat /v/file", "-v", "keep:/v", "--read-only") == "kept"
    sh(plugrun, "echo more > /v/more", "-v", "keep:/v", "--read-only")


def test_two_running_containers_share_a_volume(plugrun):
    plugrun("run", "-d", "--name", "one", "--network", "none", "-v", "both:/v", HOST_IMAGE,
            "sleep", "1000")  # fmt: skip
    sh(plugrun, "echo hello > /w/said", "-v", "both:/w")
    assert plugrun.out("exec", "one", "cat", "/v/said") == "hello"


def test_an_image_fills_a_volume_once_with_all_that_files_have(plugrun, image):
    script = f"{LOOK}; readlink link; cat file"
    as_is = sh(plugrun, script, "-v", "none:/elsewhere", image=image)
    filled = sh(plugrun, script, "-v", "vol:/data", image=image)
    assert filled == as_is
    assert ". directory 1000:1001 2750" in filled
    assert "other regular file 1000:7 640 2 1000000000" in filled
    data = f"{plugrun.root}/volumes/vol/_data"
    assert os.getxattr(f"{data}/tool", "user.kind") == b"wild"
    assert os.stat(f"{data}/file").st_ino == os.stat(f"{data}/other").st_ino
    assert sorted(os.listdir(f"{plugrun.root}/volumes/vol")) == ["_data"]
    sh(plugrun, "rm -r /data/file; echo mine > /data/tool", "-v", "vol:/data", image=image)
    assert sh(plugrun, "ls /data; cat /data/tool", "-v", "vol:/data", image=image).split() == [
        "fifo", "link", "other", "sub", "tool", "mine",
    ]  # fmt: skip


def test_nocopy_leaves_a_volume_empty(plugrun, image):
    assert sh(plugrun, "ls -A /data", "-v", "vol:/data:nocopy", image=image) == ""
    mount = "type=volume,src=vol2,dst=/data,volume-nocopy"
    assert sh(plugrun, "ls -A /data", "--mount", mount, image=image) == ""


def test_the_images_path_is_followed_within_the_image(plugrun, image):
    assert sh(plugrun, "ls /data/sub", "-v", "vol:/way", image=image) == "deep"
    inside = sh(plugrun, "ls -A /etc", "-v", "vol2:/out", image=image).split()
    assert "debian_version" in inside
    assert sorted(os.listdir(f"{plugrun.root}/volumes/vol2/_data")) == sorted(inside)


def test_a_volume_over_a_file_of_the_image(plugrun, image):
    for option in ("vol:/plain", "/plain"):
        done = plugrun("run", "-v", option, image, code=125)
        assert "cannot mount volume over existing file, file exists /plain" in done.stderr
    assert plugrun.out("ps", "-aq") == ""


def test_declared_volumes_are_anonymous_and_go_with_rm(plugrun, image):
    plugrun("run", "--name", "box", "--network", "none", image)
    found = plugrun.inspect("box")
    assert {m["Destination"] for m in found["Mounts"]} == {"/data", "/bare"}
    assert found["Config"]["Volumes"] == {"/data": {}, "bare/": {}}
    made = {m["Name"] for m in found["Mounts"]}
    assert names(plugrun) == made
    bare = next(m["Source"] for m in found["Mounts"] if m["Destination"] == "/bare")
    assert (os.stat(bare).st_uid, os.stat(bare).st_mode & 0o777) == (3, 0o700)
    plugrun("rm", "box")
    assert names(plugrun) == made
    plugrun("run", "--name", "box", "--network", "none", "-v", "vol:/x", image)
    more = names(plugrun) - made
    plugrun("rm", "-v", "box")
    assert names(plugrun) == made | {"vol"}
    assert len(more) == 3
    sh(plugrun, "true", "-v", "/lone", image=image)
    assert names(plugrun) == made | {"vol"}


def test_a_given_volume_stands_for_the_declared_one(plugrun, image):
    sh(plugrun, "echo x > /data/new", "-v", "vol:/data", image=image)
    assert names(plugrun) == {"vol"}
    assert sh(plugrun, "ls -A /data", "--tmpfs", "/data", image=image) == ""
    assert names(plugrun) == {"vol"}


def test_volumes_from_others(plugrun, image, tmp_path):
    plugrun("create", "--name", "one", "-v", "vol:/v:ro", "-v", f"{tmp_path}:/host",
            "--tmpfs", "/memory", image)  # fmt: skip
    plugrun("create", "--name", "two", "-v", "other:/v", image)
    sh(plugrun, "echo 1 > /host/1; test ! -d /memory", "--volumes-from", "one", image=image)
    assert (tmp_path / "1").read_text() == "1\n"
    done = plugrun(*RUN, "--volumes-from", "one", image, "touch", "/v/x", code=None)
    assert "Read-only" in done.stderr
    sh(plugrun, "touch /v/x", "--volumes-from", "one", "--volumes-from", "two", image=image)
    sh(plugrun, "touch /v/y", "--volumes-from", "one", "-v", "own:/v", image=image)
    done = plugrun(*RUN, "--volumes-from", "one:ro", image, "touch", "/host/x", code=None)
    assert "Read-only" in done.stderr
    plugrun("run", "--name", "three", "--network", "none", "--volumes-from", "one:ro", image)
    found = plugrun.inspect("three")
    assert found["HostConfig"]["VolumesFrom"] == ["one:ro"]
    assert found["HostConfig"]["Binds"] is None
    assert all(not m["RW"] for m in found["Mounts"])
    before = names(plugrun)
    plugrun("rm", "-v", "three")
    assert names(plugrun) == before
    for option, message in (("nope", "No such container: nope"), ("one:foo", "invalid mode: foo"),
                            ("", "volumes-from specification cannot be an empty")):  # fmt: skip
        assert message in plugrun("run", "--volumes-from", option, image, code=125).stderr


def test_inspect_and_ps_show_mounts(plugrun, tmp_path):
    plugrun("create", "--name", "box", "-v", "vol:/named", "-v", "/lone",
            "-v", f"{tmp_path}:/host:ro", "--tmpfs", "/t:size=1m,exec", "--tmpfs", "/t2",
            "--mount", "type=tmpfs,dst=/mt,tmpfs-size=1m,tmpfs-mode=1770",
            "--mount", "type=volume,dst=/mv,src=v2,volume-nocopy,volume-label=q=w",
            "--mount", f"type=bind,src={tmp_path},dst=/mb,ro,bind-propagation=rprivate",
            HOST_IMAGE)  # fmt: skip
    found = plugrun.inspect("box")
    host = found["HostConfig"]
    assert host["Binds"] == ["vol:/named", f"{tmp_path}:/host:ro"]
    assert host["Tmpfs"] == {"/t": "size=1m,exec", "/t2": ""}
    assert host["Mounts"] == [
        {"Type": "tmpfs", "Target": "/mt", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1770}},
        {"Type": "volume", "Source": "v2", "Target": "/mv",
         "VolumeOptions": {"NoCopy": True, "Labels": {"q": "w"}, "DriverConfig": {}}},
        {"Type": "bind", "Source": str(tmp_path), "Target": "/mb", "ReadOnly": True,
         "BindOptions": {"Propagation": "rprivate"}},
    ]  # fmt: skip
    assert found["Config"]["Volumes"] == {"/lone": {}}
    mounts = {m["Destination"]: m for m in found["Mounts"]}
    assert mounts["/named"] == {
        "Type": "volume", "Name": "vol", "Source": f"{plugrun.root}/volumes/vol/_data",
        "Destination": "/named", "Driver": "local", "Mode": "z", "RW": True, "Propagation": "",
    }  # fmt: skip
    assert mounts["/host"] == {
        "Type": "bind", "Source": str(tmp_path), "Destination": "/host", "Mode": "ro",
        "RW": False, "Propagation": "rprivate",
    }  # fmt: skip
    assert mounts["/mt"] == {
        "Type": "tmpfs", "Source": "", "Destination": "/mt", "Mode": "", "RW": True,
        "Propagation": "",
    }  # fmt: skip
    assert mounts["/lone"]["Mode"] == ""
    assert "/t" not in mounts
    assert plugrun.out("ps", "-a", "--format", "{{.LocalVolumes}}") == "3"
    shown = plugrun.out("ps", "-a", "--no-trunc", "--format", "{{.Mounts}}").split(",")
    assert {"vol", "v2", str(tmp_path)} < set(shown)
    (label,) = json.loads(plugrun.out("volume", "inspect", "v2"))
    assert label["Labels"] == {"q": "w"}
    for wanted in ("vol", "/named", str(tmp_path), "/mb"):
        assert plugrun.out("ps", "-aq", "--filter", f"volume={wanted}") != ""
    assert plugrun.out("ps", "-aq", "--filter", "volume=vo") == ""


# -- mounts by effect --------------------------------------------------------------------------


def test_tmpfs(plugrun, image):
    (line,) = sh(plugrun, "grep ' /t ' /proc/mounts", "--tmpfs", "/t:size=1m,exec",
                 image=image).splitlines()  # fmt: skip
    assert set(line.split()[3].split(",")) >= {"rw", "nosuid", "nodev", "size=1024k"}
    assert "noexec" not in line
    assert "noexec" in sh(plugrun, "grep ' /t ' /proc/mounts", "--tmpfs", "/t", image=image)
    mount = "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700"
    assert sh(plugrun, "stat -c %a /t", "--mount", mount, image=image) == "700"
    mount = "type=tmpfs,dst=/t,ro"
    assert " ro," in sh(plugrun, "grep ' /t ' /proc/mounts", "--mount", mount, image=image)
    # As runc: a new folder is for all, an existing one keeps its mode.
    assert sh(plugrun, "stat -c %a /t", "--tmpfs", "/t", image=image) == "1777"
    assert sh(plugrun, "stat -c %a /data", "--tmpfs", "/data", image=image) == "2750"


def test_mounts_within_mounts_in_any_order(plugrun, tmp_path):
    (tmp_path / "a").mkdir()
    out = sh(plugrun, "touch /m/v/t/1 /m/v/2 /m/3; ls /m /m/v",
             "--tmpfs", "/m/v/t", "-v", "vol:/m/v", "-v", f"{tmp_path}/a:/m")  # fmt: skip
    assert out.split() == ["/m:", "3", "v", "/m/v:", "2", "t"]
    assert sorted(os.listdir(f"{plugrun.root}/volumes/vol/_data")) == ["2", "t"]
    assert os.listdir(f"{plugrun.root}/volumes/vol/_data/t") == []


def test_mounts_take_the_place_of_defaults(plugrun, tmp_path):
    (tmp_path / "hosts").write_text("10.0.0.1 mine\n")
    assert sh(plugrun, "cat /etc/hosts", "-v", f"{tmp_path}/hosts:/etc/hosts") == "10.0.0.1 mine"
    sh(plugrun, "echo x > /dev/shm/here", "-v", f"{tmp_path}:/dev/shm")
    assert (tmp_path / "here").read_text() == "x\n"
    assert sh(plugrun, "cat /sys/hosts", "-v", f"{tmp_path}:/sys") == "10.0.0.1 mine"
    assert sh(plugrun, "ls /tmp", "-v", f"{tmp_path}:/tmp").split() == ["here", "hosts"]


@pytest.mark.parametrize(
    ("target", "message"),
    [("/proc", "not of type proc"), ("/proc/sys", "inside /proc"), ("/proc/1/x", "inside /proc")],
)
def test_nothing_is_mounted_on_proc(plugrun, tmp_path, target, message):
    for source in (str(tmp_path), "vol"):
        done = plugrun("run", "--rm", "-v", f"{source}:{target}", HOST_IMAGE, "true", code=None)
        assert done.returncode in (125, 126, 127)
        assert message in done.stderr


def test_the_containers_own_files_are_seen_below_a_mount(plugrun, image):
    assert sh(plugrun, "ls /etc", "--tmpfs", "/etc", image=image).split() == [
        "hostname", "hosts", "resolv.conf",
    ]  # fmt: skip
    assert "localhost" in sh(plugrun, "cat /etc/hosts", "-v", "vol:/etc", image=image)
    with open(f"{plugrun.root}/volumes/vol/_data/hosts", encoding="utf-8") as file:
        assert "ip6-loopback" not in file.read()


def test_a_folder_onto_a_file_is_said_so(plugrun, image, tmp_path):
    (tmp_path / "file").touch()
    for option in (f"{tmp_path}:/plain", f"{tmp_path}/file:/data"):
        done = plugrun("run", "--rm", "-v", option, image, "true", code=None)
        assert done.returncode in (125, 126, 127)
        assert "Are you trying to mount a directory onto a file (or vice-versa)?" in done.stderr


def test_files_sockets_and_devices(plugrun, tmp_path):
    import socket

    (tmp_path / "file").write_text("text")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/socket")
        listener.listen()
        script = "cat /one; ls -l /two /three; dd if=/three of=/one bs=1 count=1 2>/dev/null"
        out = sh(plugrun, script, "-v", f"{tmp_path}/file:/one", "-v", f"{tmp_path}/socket:/two",
                 "-v", "/dev/zero:/three")  # fmt: skip
    assert out.splitlines()[0].startswith("text")
    assert "srwx" in out
    assert "crw" in out
    assert (tmp_path / "file").read_bytes() == b"\0"


def test_a_missing_source_is_made_for_v_alone(plugrun, tmp_path):
    sh(plugrun, "touch /m/x", "-v", f"{tmp_path}/new/folder:/m")
    assert (tmp_path / "new/folder/x").exists()
    done = plugrun("run", "--mount", f"type=bind,src={tmp_path}/not,dst=/m", HOST_IMAGE, code=125)
    assert (
        'invalid mount config for type "bind": bind source path does not exist: '
        f"{tmp_path}/not" in done.stderr
    )
    assert not (tmp_path / "not").exists()
    assert plugrun.out("ps", "-aq") == ""


@pytest.fixture
def shared_folder(tmp_path):
    """A folder that is a shared mount."""
    subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
    subprocess.run(["mount", "--make-shared", tmp_path], check=True)
    (tmp_path / "sub").mkdir()
    yield tmp_path
    subprocess.run(["umount", "-R", tmp_path], check=True)


def test_propagation_by_effect(plugrun, shared_folder):
    place = f"{shared_folder}/sub"
    modes = {"rslave": True, "rshared": True, "rprivate": False}
    for mode in modes:
        plugrun("run", "-d", "--name", mode, "--network", "none", "-v",
                f"{shared_folder}:/m:{mode}", HOST_IMAGE, "sleep", "1000")  # fmt: skip
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    for mode, seen in modes.items():
        mounts = plugrun.out("exec", mode, "cat", "/proc/self/mountinfo")
        assert (" /m/sub " in mounts) == seen, mode
    plugrun("rm", "-f", *modes)


def test_nonrecursive_binds(plugrun, shared_folder):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{shared_folder}/sub"], check=True)
    (shared_folder / "sub/file").write_text("x")
    assert sh(plugrun, "ls /m/sub", "-v", f"{shared_folder}:/m") == "file"
    mount = f"type=bind,src={shared_folder},dst=/m"
    assert sh(plugrun, "ls /m/sub", "--mount", mount) == "file"
    assert sh(plugrun, "ls /m/sub", "--mount", f"{mount},bind-recursive=disabled") == ""
    assert sh(plugrun, "ls /m/sub", "--mount", f"{mount},bind-nonrecursive") == ""


def test_read_only_reaches_what_is_mounted_below(plugrun, shared_folder):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{shared_folder}/sub"], check=True)
    script = "touch /m/sub/x 2>/dev/null && echo written; touch /m/y 2>/dev/null && echo too; true"
    mount = f"type=bind,src={shared_folder},dst=/m,ro"
    assert sh(plugrun, script, "-v", f"{shared_folder}:/m:ro") == ""
    assert sh(plugrun, script, "--mount", mount) == ""
    forced = f"{mount},bind-recursive=readonly,bind-propagation=rprivate"
    assert sh(plugrun, script, "--mount", forced) == ""
    assert sh(plugrun, script, "--mount", f"{mount},bind-recursive=writable") == "written"
    (shared_folder / "sub/z").write_text("the host's own mount is as it was")


def test_a_mount_that_was_left_is_not_emptied(plugrun, tmp_path):
    """A volume's removal must not reach through a mount that a killed monitor left."""
    (tmp_path / "precious").write_text("x")
    plugrun("volume", "create", "left")
    place = f"{plugrun.root}/volumes/left/_data"
    subprocess.run(["mount", "--bind", tmp_path, place], check=True)
    plugrun("volume", "rm", "left")
    assert (tmp_path / "precious").exists()
    assert not os.path.lexists(place)
    os.makedirs(f"{plugrun.root}/volumes/.removed-2/_data")
    subprocess.run(["mount", "--bind", tmp_path, f"{plugrun.root}/volumes/.removed-2/_data"],
                   check=True)  # fmt: skip
    plugrun("volume", "ls")
    assert (tmp_path / "precious").exists()


def test_monitors_that_are_killed_leave_no_mounts(plugrun):
    plugrun("volume", "create", "mem", "-o", "type=tmpfs", "-o", "device=tmpfs")
    sh(plugrun, "mkdir /v/sub", "-v", "vol:/v")
    within = "type=volume,src=vol,dst=/s,volume-subpath=sub"
    plugrun("run", "-d", "--name", "box", "--network", "none", "-v", "mem:/m", "--mount", within,
            HOST_IMAGE, "sleep", "1000")  # fmt: skip
    id = plugrun.inspect("box")["Id"]
    with open(f"{plugrun.run_root_of_root}/containers/{id}/task", encoding="utf-8") as file:
        task = json.load(file)
    os.kill(task["monitor"], signal.SIGKILL)
    os.kill(task["pid"], signal.SIGKILL)
    plugrun("wait", "box")
    plugrun("ps")
    assert not os.path.ismount(f"{plugrun.root}/volumes/mem/_data")
    assert os.listdir(f"{plugrun.run_root_of_root}/subpaths") == []


def test_a_container_starts_again_with_its_mounts(plugrun):
    plugrun("volume", "create", "mem", "-o", "type=tmpfs", "-o", "device=tmpfs")
    sh(plugrun, "mkdir /v/sub", "-v", "vol:/v")
    script = (
        "echo x >> /lone/file; cat /lone/file; ls /m; touch /m/gone; "
        "cat /s/f 2>/dev/null; echo y >> /s/f"
    )
    within = "type=volume,src=vol,dst=/s,volume-subpath=sub"
    plugrun("create", "--name", "box", "--network", "none", "-v", "mem:/m", "-v", "/lone",
            "--mount", within, HOST_IMAGE, "sh", "-c", script)  # fmt: skip
    assert plugrun.out("start", "-a", "box").split() == ["x"]
    assert plugrun.out("start", "-a", "box").split() == ["x", "x", "y"]


def test_links_of_an_image_do_not_lead_mounts_into_proc(plugrun, registry, debian_tar, tmp_path):
    added = layer_of(member("way", tarfile.SYMTYPE, linkname="/proc/sys"))
    reference = registry.push("e2e/intoproc", make_image([debian_tar, added], {}), "1")
    done = plugrun(*RUN, "-v", f"{tmp_path}:/way", reference, "true", code=None)
    assert done.returncode in (125, 126, 127)
    assert "cannot be mounted because it is inside /proc" in done.stderr


def test_images_that_declare_nonsense(plugrun, registry, debian_tar):
    for number, target in enumerate(("/", "../..", "", "/proc/sys")):
        made = make_image([debian_tar], {"Volumes": {target: {}}}, compress=False)
        reference = registry.push(f"e2e/nonsense{number}", made, "1")
        plugrun(*RUN, reference, "true", code=125)
    made = make_image([debian_tar], {"Volumes": {"../../../opt/./x//": {}}}, compress=False)
    reference = registry.push("e2e/climbs", made, "1")
    assert "/opt/x" in sh(plugrun, "grep /opt/x /proc/mounts", image=reference)


def test_a_path_within_a_volume(plugrun, tmp_path):
    sh(plugrun, "mkdir /v/sub; echo a > /v/sub/file; echo b > /v/one", "-v", "vol:/v")
    mount = "type=volume,src=vol,dst=/m,volume-subpath="
    assert sh(plugrun, "cat /m/file; ls /m", "--mount", f"{mount}sub") == "a\nfile"
    assert sh(plugrun, "cat /m", "--mount", f"{mount}one") == "b"
    data = f"{plugrun.root}/volumes/vol/_data"
    (tmp_path / "secret").write_text("host")
    os.symlink(str(tmp_path), f"{data}/away")
    os.symlink("sub", f"{data}/inside")
    assert sh(plugrun, "ls /m", "--mount", f"{mount}inside") == "file"
    beyond = "subpath must be a relative path within the volume"
    refused = {"away": "cannot access path", "not": "cannot access path", "../x": beyond}
    for path, message in refused.items():
        done = plugrun("run", "--rm", "--mount", mount + path, HOST_IMAGE, "ls", "/m", code=None)
        assert done.returncode in (125, 126, 127, 128)
        assert message in done.stderr
    assert os.listdir(f"{plugrun.run_root_of_root}/subpaths") == []


def test_a_volume_with_a_mount_of_its_own(plugrun, tmp_path):
    plugrun("volume", "create", "mem", "-o", "type=tmpfs", "-o", "device=tmpfs",
            "-o", "o=size=1m,mode=700")  # fmt: skip
    place = f"{plugrun.root}/volumes/mem/_data"
    for name in ("one", "two"):
        plugrun("run", "-d", "--name", name, "--network", "none", "-v", "mem:/m", HOST_IMAGE,
                "sleep", "1000")  # fmt: skip
    plugrun("exec", "one", "sh", "-c", "echo hi > /m/file")
    assert plugrun.out("exec", "two", "cat", "/m/file") == "hi"
    assert "size=1024k" in plugrun.out("exec", "two", "cat", "/proc/mounts")
    plugrun("rm", "-f", "one")
    assert os.path.exists(f"{place}/file")
    plugrun("kill", "two")
    plugrun("wait", "two")
    assert os.listdir(place) == []
    assert not os.path.ismount(place)
    plugrun("volume", "create", "host", "-o", "type=none", "-o", f"device={tmp_path}",
            "-o", "o=bind,ro")  # fmt: skip
    (tmp_path / "x").write_text("y\n")
    script = "cat /m/x; touch /m/z 2>/dev/null || echo no"
    assert sh(plugrun, script, "-v", "host:/m").splitlines()[-1] == "no"
    plugrun("volume", "create", "bad", "-o", "type=none", "-o", "device=/no/such", "-o", "o=bind")
    done = plugrun("run", "--rm", "-v", "bad:/m", HOST_IMAGE, "true", code=None)
    assert "failed to mount local volume: no such file or directory" in done.stderr
    assert plugrun.out("volume", "prune", "-af") == "Total reclaimed space: 0B"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-v", "a b:/x"), "includes invalid characters for a local volume name"),
        (("-v", "rel/path:/x"), "If you intended to pass a host directory, use absolute path"),
        (("-v", "vol:/"), "destination can't be '/'"),
        (("-v", "v1:/x", "-v", "v2:/x/"), "Duplicate mount point: /x"),
        (("-v", "v1:/x", "--tmpfs", "/x"), "Duplicate mount point: /x"),
        (("-v", "v1:/x", "--mount", "type=tmpfs,dst=/x"), "Duplicate mount point: /x"),
        (("--tmpfs", "x"), "invalid mount path: 'x' mount path must be absolute"),
        (("--tmpfs", "/x:foo"), 'invalid tmpfs option ["foo"]'),
        (("--mount", "type=bind,dst=/x"), "field Source must not be empty"),
        (("--mount", "type=foo,dst=/x"), 'type "foo": mount type unknown'),
        (("--mount", "src=a"), 'invalid argument "src=a" for "--mount" flag: target is required'),
        (("--volume-driver", "nfs", "-v", "v1:/x"), 'plugin "nfs" not found'),
    ],
)
def test_refused_in_dockers_words(plugrun, options, message):
    done = plugrun("run", *options, HOST_IMAGE, "true", code=125)
    assert message in done.stderr
    assert plugrun.out("ps", "-aq") == ""


def test_a_lone_path_gives_way(plugrun):
    sh(plugrun, "touch /x/here", "-v", "/x", "-v", "vol:/x", "-v", "/x")
    assert os.listdir(f"{plugrun.root}/volumes/vol/_data") == ["here"]


def test_a_name_of_255_letters(plugrun):
    name = "n" * 255
    sh(plugrun, "echo long > /v/x", "-v", f"{name}:/v")
    assert sh(plugrun, "cat /v/x", "-v", f"{name}:/v") == "long"
    assert plugrun.out("volume", "rm", name) == name


def test_events(plugrun):
    since = plugrun.out(*RUN, HOST_IMAGE, "sh", "-c", "cat /proc/uptime >/dev/null")
    assert since == ""
    sh(plugrun, "true", "-v", "told:/v")
    plugrun("volume", "rm", "told")
    said = plugrun.out("events", "--since", "1h", "--until", "0s", "--filter", "volume=told",
                       "--format", "{{.Action}}")  # fmt: skip
    assert said.split() == ["create", "mount", "unmount", "destroy"]


# -- at once, and killed -----------------------------------------------------------------------


def test_two_that_start_with_a_new_volume_fill_it_once(plugrun, image):
    for round in range(3):
        args = (*RUN, "-v", f"race{round}:/data", image, "sh", "-c", LOOK)
        started = [plugrun.start(*args) for _ in range(4)]
        outs = [process.communicate(timeout=PATIENCE) for process in started]
        assert [process.returncode for process in started] == [0] * 4, outs
        assert len({out for out, _ in outs}) == 1


def test_prune_while_others_create(plugrun):
    for _ in range(3):
        started = [plugrun.start(*RUN, "-v", "/lone", "-v", "vol:/v", HOST_IMAGE, "true")
                   for _ in range(4)]  # fmt: skip
        prunes = [plugrun.start("volume", "prune", "-af") for _ in range(3)]
        for process in (*started, *prunes):
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, errors


def kill_when(process: subprocess.Popen, path: str) -> bool:
    """Kill a command's processes as soon as a path is there; False if it ended before."""
    while process.poll() is None:
        if os.path.lexists(path):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
            return True
    process.communicate(timeout=PATIENCE)
    return False


def test_a_copy_that_was_killed_is_finished(plugrun, image):
    plugrun("pull", "-q", image)
    volume = f"{plugrun.root}/volumes/vol"
    for place in ("", "/_data", "/filling", "/_data/sub"):
        process = plugrun.start("run", "-v", "vol:/data", image, "true", start_new_session=True)
        kill_when(process, volume + place)
        plugrun.remove_all()
        assert names(plugrun) <= {"vol"} | names(plugrun, "--filter", "dangling=false")
        script = f"{LOOK}; ls -A"
        assert sh(plugrun, script, "-v", "vol:/data", image=image) == sh(
            plugrun, script, image=image
        )
        plugrun("volume", "rm", "vol")


def test_a_removal_that_was_killed_is_finished(plugrun):
    place = f"{plugrun.root}/volumes"
    for _ in range(3):
        sh(plugrun, "mkdir -p /v/a /v/b; for i in 1 2 3 4 5 6 7 8 9; do echo > /v/a/$i; done",
           "-v", "vol:/v")  # fmt: skip
        process = plugrun.start("volume", "rm", "vol", start_new_session=True)
        while process.poll() is None:
            if "vol" not in os.listdir(place):
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.communicate(timeout=PATIENCE)
        assert names(plugrun) == set()
        assert os.listdir(place) == []


def test_folders_of_nobody_go(plugrun):
    plugrun("volume", "create", "known")
    os.makedirs(f"{plugrun.root}/volumes/lost/_data")
    os.makedirs(f"{plugrun.root}/volumes/.removed-1/_data/x")
    plugrun("volume", "ls")
    assert os.listdir(f"{plugrun.root}/volumes") == ["known"]
