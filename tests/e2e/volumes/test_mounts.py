"""Mounts of every kind, by their effect."""

from __future__ import annotations

import os
import subprocess
import tarfile

import pytest

from tests.e2e.conftest import HOST_IMAGE
from tests.e2e.volumes.conftest import RUN, layer_of, member, sh
from tests.registry import make_image


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
