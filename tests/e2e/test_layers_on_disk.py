"""What a container writes and deletes, as it is found on the host's disk."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun

NONE = ("--network", "none")
TEXT = "written in a container"
# The image that is deleted from: one with a file of its own.
DELETED = "/srv/second"


def found(root: str, name: str = "happiness.txt") -> list[str]:
    """Return what find(1) finds beneath the data root."""
    done = subprocess.run(["find", root, "-name", name], capture_output=True, text=True, check=True)
    return done.stdout.split()


def layer_folder(plugrun: Plugrun, name: str) -> str:
    """Return where inspect says that a container writes."""
    return plugrun.inspect(name)["GraphDriver"]["Data"]["UpperDir"]


def test_what_a_container_writes_lies_on_the_host(plugrun):
    script = f"echo {TEXT} >>/happiness.txt; cat /happiness.txt"
    plugrun("run", "--name", "happy", *NONE, HOST_IMAGE, "sh", "-c", script)
    paths = found(plugrun.root)
    assert len(paths) == 1
    with open(paths[0], encoding="utf-8") as file:
        assert file.read() == f"{TEXT}\n"
    assert paths == [f"{layer_folder(plugrun, 'happy')}/happiness.txt"]
    assert plugrun.out("diff", "happy").splitlines() == ["A /happiness.txt"]
    with open(paths[0], "a", encoding="utf-8") as file:
        file.write("and on the host\n")
    assert plugrun.out("start", "-a", "happy").splitlines() == [TEXT, "and on the host", TEXT]
    plugrun("rm", "happy")
    assert found(plugrun.root) == []


def test_a_running_container_s_file_is_there_already(plugrun):
    script = f"echo {TEXT} >/happiness.txt; echo written; sleep 1000"
    with plugrun.start(
        "run", "--rm", "--name", "busy", *NONE, HOST_IMAGE, "sh", "-c", script
    ) as it:
        assert it.stdout.readline() == "written\n"
        assert found(layer_folder(plugrun, "busy")) == found(plugrun.root) != []
        plugrun("kill", "busy")
    assert found(plugrun.root) == []


def test_deleting_leaves_the_image_s_file(plugrun, debian):
    def text_of_new() -> str:
        return plugrun.out("run", "--rm", *NONE, debian, "cat", DELETED)

    before = text_of_new()
    script = f"rm {DELETED} && rm -r /srv/app && ls /srv"
    assert (
        plugrun.out("run", "--name", "deletes", "-w", "/", *NONE, debian, "sh", "-c", script) == ""
    )
    assert text_of_new() == before
    told = plugrun.out("diff", "deletes").splitlines()
    assert told == ["C /srv", "D /srv/app", f"D {DELETED}"]
    again = plugrun.start("start", "-a", "deletes")
    assert "No such file" in again.communicate()[1]
    assert not os.path.isfile(f"{layer_folder(plugrun, 'deletes')}{DELETED}")


def test_two_containers_of_one_image_write_apart(plugrun):
    for name in ("one", "two"):
        script = f"cat /happiness.txt; echo {name} >/happiness.txt; rm -r /etc/passwd; ls /etc"
        done = plugrun("run", "--name", name, *NONE, HOST_IMAGE, "sh", "-c", script)
        assert "No such file" in done.stderr
    folders = [layer_folder(plugrun, name) for name in ("one", "two")]
    assert sorted(found(plugrun.root)) == sorted(f"{folder}/happiness.txt" for folder in folders)
    for folder, name in zip(folders, ("one", "two"), strict=True):
        with open(f"{folder}/happiness.txt", encoding="utf-8") as file:
            assert file.read() == f"{name}\n"
    plugrun("rm", "one")
    assert found(plugrun.root) == [f"{folders[1]}/happiness.txt"]


@pytest.mark.parametrize("act", ["commit", "export"])
def test_what_was_written_goes_on_in_an_image(plugrun, act, tmp_path):
    script = f"echo {TEXT} >/happiness.txt"
    plugrun("run", "--name", "happy", *NONE, HOST_IMAGE, "sh", "-c", script)
    if act == "commit":
        plugrun("commit", "happy", "happiness")
    else:
        plugrun("export", "-o", f"{tmp_path}/tree.tar", "happy")
        plugrun("import", f"{tmp_path}/tree.tar", "happiness")
    plugrun("rm", "happy")
    assert plugrun.out("run", "--rm", *NONE, "happiness", "cat", "/happiness.txt") == TEXT
    plugrun("rmi", "happiness")
    assert found(plugrun.root) == []
