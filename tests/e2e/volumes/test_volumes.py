"""Volumes in containers: what fills them, what stays, what is shown."""

from __future__ import annotations

import json
import os

from tests.e2e.conftest import HOST_IMAGE
from tests.e2e.volumes.conftest import LOOK, RUN, names, sh
from tests.registry import make_image


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
