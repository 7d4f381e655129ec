"""A list of storages on machines that refuse the first: real refusals, and what is said of them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE
from tests.e2e.storages.others import QUIET, built_in, write_config
from tests.held import held_folder

MATRIX = built_in()


@pytest.fixture
def on_overlay():
    """A folder on an overlay: the kernel takes no upper layer there."""
    with held_folder("onoverlay") as top:
        subprocess.run(["mount", "-t", "tmpfs", "none", top], check=True)
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{top}/{name}")
        data = f"lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work"
        words = ["mount", "-t", "overlay", "-o", data, "overlay", f"{top}/merged"]
        subprocess.run(words, check=True)
        yield f"{top}/merged"


def test_overlay_alone_is_refused_there(several, on_overlay):
    tool = replace(several, root=f"{on_overlay}/root")
    failed = tool("run", "--rm", *QUIET, HOST_IMAGE, "true", code=125)
    assert 'storage "overlay" does not work here' in failed.stderr
    assert "overlayfs" in failed.stderr
    assert "hint: put the data on ext4, xfs, btrfs or tmpfs with --root" in failed.stderr


def takes_over(several, on_overlay, tmp_path):
    config = write_config(tmp_path / "list.yaml", list="[overlay, cow]")
    tool = replace(several, root=f"{on_overlay}/root", config=config)
    done = tool("run", "--name", "box", *QUIET, HOST_IMAGE, "sh", "-c", "echo 1 >>/n; cat /n")
    assert done.stdout == "1\n"
    assert "plugrun: storage falls back to cow: overlay does not work here: " in done.stderr
    found = tool.inspect("box")["Plugrun"]["Storage"]
    assert found["Name"] == "cow"
    assert "that works here (overlay: " in found["Why"]
    again = tool("start", "-a", "box")
    assert (again.stdout, again.stderr) == ("1\n1\n", "")
    tool("rm", "box")
    assert tool.out("system", "check") == "Nothing is wrong."


def without_fuse(tool, *args):
    """Run the command on a machine that has no /dev/fuse."""
    nodes = "mknod -m 666 null c 1 3; mknod -m 666 zero c 1 5; mknod -m 666 urandom c 1 9"
    script = f'mount -t tmpfs none /dev && cd /dev && {nodes}; exec "$@"'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *tool.argv, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def goes_and_comes(several, tmp_path):
    config = write_config(tmp_path / "list.yaml", list="[fuse, overlay]", alone="fuse")
    tool = replace(several, config=config)
    tool("run", "--name", "old", *QUIET, HOST_IMAGE, "sh", "-c", "echo 1 >>/n; cat /n")
    done = without_fuse(tool, "run", "--name", "new", *QUIET, HOST_IMAGE, "true")
    assert done.returncode == 0, done.stderr
    assert "plugrun: storage falls back to overlay: fuse does not work here: " in done.stderr
    assert "/dev/fuse" in done.stderr
    assert [tool.inspect(name)["Driver"] for name in ("old", "new")] == ["fuse", "overlay"]
    failed = without_fuse(tool, "start", "-a", "old")
    assert failed.returncode != 0
    assert "/dev/fuse" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert without_fuse(tool, "start", "-a", "new").returncode == 0
    assert tool("start", "-a", "old").stdout == "1\n1\n"
    assert tool.out("info", "-f", "{{.Driver}}") == "fuse"
    refused = without_fuse(tool.of("alone"), "run", "--rm", *QUIET, HOST_IMAGE, "true")
    assert refused.returncode == 125
    assert 'storage "fuse" does not work here' in refused.stderr
    assert "hint:" in refused.stderr


if "cow" in MATRIX:
    test_the_next_one_takes_over_there = takes_over
if "fuse" in MATRIX:
    test_a_device_that_goes_and_comes = goes_and_comes
