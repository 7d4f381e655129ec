"""A root on a full disk: what fails says so, and what frees space works."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from tests.e2e.conftest import HOST_IMAGE
from tests.e2e.storages.others import QUIET
from tests.held import held_folder

RESERVE = 1 << 20


@pytest.fixture
def small(several):
    """A root on a file system of its own, of 40 MiB."""
    with held_folder("smalldisk") as top:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", top], check=True)
        tool = replace(several, root=f"{top}/root")
        yield tool
        tool.remove_all()


def fill(tool):
    """Take all that is left, to the last page."""
    path = f"{os.path.dirname(tool.root)}/fill"
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


def reserved(tool):
    return os.path.exists(f"{tool.root}/reserve")


def test_things_can_be_removed(small):
    small("run", "--name", "box", *QUIET, HOST_IMAGE, "sh", "-c", "echo x >/mine")
    assert os.stat(f"{small.root}/reserve").st_blocks * 512 == RESERVE
    filling = fill(small)
    failed = small("run", "--rm", *QUIET, HOST_IMAGE, "true", code=125)
    assert "no space left" in failed.stderr
    assert "hint: free some space" in failed.stderr
    assert reserved(small), "a start must not use it up"
    assert "box" in small.out("ps", "-a")
    assert not reserved(small)
    small("system", "check", "--quick")
    small("rm", "box")
    small("rmi", HOST_IMAGE)
    assert os.listdir(f"{small.root}/storage/overlay/l") == []
    os.unlink(filling)
    small("ps")
    assert reserved(small), "it is kept back again"


@pytest.mark.parametrize("more", [("--name", "box"), ("--rm",)])
def test_a_container_that_fills_it_is_told_with_its_exit_code(small, more):
    script = "dd if=/dev/zero of=/big bs=64k; exit 3"
    done = small("run", *more, *QUIET, HOST_IMAGE, "sh", "-c", script, code=None)
    assert "[Errno" not in done.stderr and "Traceback" not in done.stderr
    assert done.returncode == 125
    assert f"no space left to write {small.root}/containers/" in done.stderr
    assert "exit code 3" in done.stderr
    assert "hint: free some space" in done.stderr
    if "box" in more:
        small("rm", "box")
    assert small.out("ps", "-aq") == ""
    assert small.out("system", "check") == "Nothing is wrong."


def test_prune_works(small):
    small("run", *QUIET, HOST_IMAGE, "sh", "-c", "echo x >/mine")
    fill(small)
    assert "Total reclaimed space" in small.out("system", "prune", "-a", "-f")
    assert small.out("ps", "-aq") == ""
    assert os.listdir(f"{small.root}/storage/overlay/l") == []


@pytest.mark.parametrize("left", [0, 1, 2, 4, 8, 16, 40, 100, 400])
def test_whatever_fails_for_lack_of_room_says_so(small, left):
    """With so many pages left: a start succeeds, or says why not, and leaves nothing behind."""
    small("run", "--rm", *QUIET, HOST_IMAGE, "true")
    path = fill(small)
    os.truncate(path, os.stat(path).st_size - left * 4096)
    script = "echo x >/mine"
    done = small("run", "-d", "--name", "box", *QUIET, HOST_IMAGE, "sh", "-c", script, code=None)
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    if done.returncode:
        assert "o space left" in done.stderr
        assert "hint:" in done.stderr
        os.unlink(path)
        small("ps")  # frees what the failed one could not, with no room to write that down
        assert small.out("system", "check") == "Nothing is wrong."


def test_a_pull_that_fills_it_leaves_it_usable(small, stacked):
    small("ps")
    path = fill(small)
    os.truncate(path, os.stat(path).st_size - (1 << 21))
    failed = small("pull", stacked, code=1)
    assert "o space left" in failed.stderr
    assert reserved(small)
    os.unlink(path)
    small("pull", "-q", stacked)
    assert small.out("system", "check") == "Nothing is wrong."
