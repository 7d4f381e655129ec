"""The image itself: which files, which bytes, and that it runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile

import pytest
from plugrun.api import (
    Descriptor,
    ImageNotFound,
    NoMatchingPlatform,
    Platform,
    TransportError,
    host_platform,
)
from plugrun_host_programs.plugin import plugrun_open_transport


class Image:
    def __init__(self, address):
        transport = plugrun_open_transport(address, {})
        self.resolved = transport.resolve(host_platform())
        self.manifest = json.loads(self.resolved.raw)
        config, layer = self.manifest["config"], self.manifest["layers"][0]
        self.config = json.loads(self._read(transport, config))
        self.layer = self._read(transport, layer)
        self.layer_digest = layer["digest"]
        transport.close()

    @staticmethod
    def _read(transport, entry):
        blob = Descriptor(entry["mediaType"], entry["digest"], entry["size"])
        return b"".join(transport.fetch(blob))

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as archive:
            return {member.name: member for member in archive}

    def unpack(self, folder):
        subprocess.run(["tar", "-x", "-C", str(folder)], input=self.layer, check=True)


def test_the_same_programs_are_the_same_image():
    first, second = Image("host:sh,ls"), Image("host:sh,ls")
    assert first.resolved.descriptor == second.resolved.descriptor
    assert first.layer == second.layer


def test_the_layer_is_the_same_in_any_order():
    first, second = Image("host:sh,ls,cat"), Image("host:cat,sh,ls,sh")
    assert first.layer_digest == second.layer_digest


def test_everything_is_roots_and_of_1970():
    for member in Image("host:sh").members().values():
        assert (member.uid, member.gid, member.mtime) == (0, 0, 0)


def test_folders_come_before_what_is_in_them():
    seen = {""}
    for name in Image("host:sh,ls,env").members():
        assert os.path.dirname(name) in seen
        seen.add(name)


def test_the_folders_a_container_needs_are_there():
    members = Image("host:sh").members()
    modes = {name: members[name].mode for name in ("tmp", "var/tmp", "root", "etc", "proc", "sys")}
    assert modes["tmp"] == modes["var/tmp"] == 0o1777
    assert modes["root"] == 0o700
    assert all(members[name].isdir() for name in (*modes, "dev"))
    assert members["etc/passwd"].isreg()
    assert members["etc/group"].isreg()


def test_links_of_the_root_are_kept_as_the_host_has_them():
    members = Image("host:sh").members()
    for name in ("bin", "lib", "lib64", "sbin"):
        if os.path.islink(f"/{name}"):
            assert members[name].linkname == os.readlink(f"/{name}")


@pytest.mark.parametrize(
    ("address", "command"), [("host:ls,sh,cat", "sh"), ("host:ls,cat", "ls"), ("host:env", "env")]
)
def test_the_command_is_the_shell_or_the_first(address, command):
    config = Image(address).config
    assert config["config"]["Cmd"] == [command]
    assert config["rootfs"]["diff_ids"] == [Image(address).layer_digest]
    assert config["config"]["Env"][0].startswith("PATH=/usr/local/sbin:")


def test_another_machines_platform_is_refused():
    other = "s390x" if host_platform().architecture != "s390x" else "amd64"
    transport = plugrun_open_transport("host:sh", {})
    with pytest.raises(NoMatchingPlatform):
        transport.resolve(Platform("linux", other))


def test_an_unknown_program_names_path(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/somewhere/else")
    with pytest.raises(ImageNotFound, match=r"no-such-program.*/somewhere/else"):
        plugrun_open_transport("host:no-such-program", {}).resolve(host_platform())


def test_an_absolute_path_that_is_no_program(tmp_path):
    (tmp_path / "data").write_text("x")
    with pytest.raises(ImageNotFound, match="data"):
        plugrun_open_transport(f"host:{tmp_path}/data", {}).resolve(host_platform())


@pytest.fixture
def script(tmp_path):
    def write(text, name="script", mode=0o755):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    return write


def test_a_script_brings_its_interpreter(script):
    path = script("#!/bin/sh\necho hi\n")
    members = Image(f"host:{path}").members()
    assert path.lstrip("/") in members
    shell = os.path.realpath("/bin/sh").lstrip("/")
    assert members[shell].isreg()


def test_env_brings_the_interpreter_it_looks_up(script):
    path = script("#!/usr/bin/env -S A=b cat -n\n")
    members = Image(f"host:{path}").members()
    assert os.path.realpath("/usr/bin/env").lstrip("/") in members
    assert os.path.realpath("/usr/bin/cat").lstrip("/") in members


def test_a_program_outside_path_is_put_into_path(script):
    path = script("#!/bin/sh\n")
    image = Image(f"host:{path}")
    assert image.config["config"]["Env"][0].endswith(":" + os.path.dirname(path))


def test_a_script_that_is_its_own_interpreter_ends(script, tmp_path):
    path = script(f"#!{tmp_path}/script\n")
    assert path.lstrip("/") in Image(f"host:{path}").members()


def test_a_chain_of_links_is_kept(script, tmp_path):
    script("#!/bin/sh\n", "real")
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    members = Image(f"host:{tmp_path}/two").members()
    inside = str(tmp_path).lstrip("/")
    assert members[f"{inside}/two"].linkname == f"{tmp_path}/one"
    assert members[f"{inside}/one"].linkname == "real"
    assert members[f"{inside}/real"].isreg()


def test_set_user_id_is_dropped(script):
    path = script("#!/bin/sh\n", mode=0o6755)
    member = Image(f"host:{path}").members()[path.lstrip("/")]
    assert member.mode == 0o755


def test_closing_twice_and_fetching_again():
    transport = plugrun_open_transport("host:sh", {})
    first = transport.resolve(host_platform())
    transport.close()
    transport.close()
    assert b"".join(transport.fetch(first.descriptor)) == first.raw
    transport.close()


def test_a_file_that_cannot_be_read_is_an_error_of_ours(script, monkeypatch):
    def fail(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("plugrun_host_programs.tree._read", fail)
    with pytest.raises(TransportError, match="Permission denied"):
        plugrun_open_transport("host:sh", {}).resolve(host_platform())


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
@pytest.mark.parametrize("shell", ["sh", "/bin/sh", "/usr/bin/env"])
def test_it_runs(tmp_path, shell):
    Image("host:sh,ls,cat,/usr/bin/env").unpack(tmp_path)
    command = [shell, "sh"] if shell.endswith("env") else [shell]
    ran = subprocess.run(
        ["chroot", str(tmp_path), *command, "-c", "ls / && cat /etc/passwd"],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "root:x:0:0:root:/root:/bin/sh" in ran.stdout
    assert "tmp" in ran.stdout
