"""What containers changed, and all they have: diff and export."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import tarfile

import pytest
from plugrun.engine.containers import find_container
from plugrun.engine.engine import open_engine
from plugrun.engine.files.treediff import diff
from plugrun.engine.request import GlobalOptions

from .conftest import Plugrun, traces

CHANGES = """
mkdir -p /newdir/sub; echo a >/newdir/sub/f; echo b >/newtop; ln /newtop /hard
rm -rf /etc/apt; mkdir /etc/apt; echo x >/etc/apt/sources.list; echo y >/etc/apt/new
rm /etc/issue; mkdir /etc/issue; touch /etc/issue/in
echo more >>/etc/passwd; chmod u+s /usr/bin/tac; mv /srv /srv2
rm -rf /opt; echo file >/opt; touch -d @1000000 /var/spool; mkfifo /fifo
chmod 600 /etc/hosts.allow; chmod 644 /etc/hosts.allow; ln -s nowhere /link
"""
# As Docker 28 says it of the same, on a storage of its own.
WANTED = """\
C /etc
C /etc/apt
D /etc/apt/apt.conf.d
D /etc/apt/auth.conf.d
D /etc/apt/keyrings
A /etc/apt/new
D /etc/apt/preferences.d
A /etc/apt/sources.list
D /etc/apt/trusted.gpg.d
C /etc/issue
A /etc/issue/in
C /etc/passwd
A /fifo
A /hard
A /link
A /newdir
A /newdir/sub
A /newdir/sub/f
A /newtop
C /opt
D /srv
A /srv2
C /usr
C /usr/bin
C /usr/bin/tac""".splitlines()


@pytest.fixture
def changed(plugrun: Plugrun, debian: str) -> str:
    plugrun("run", "--name", "changed", "--network", "none", debian, "sh", "-c", CHANGES)
    return "changed"


def test_diff_says_what_docker_says(plugrun: Plugrun, changed: str) -> None:
    told = plugrun.out("diff", changed).splitlines()
    assert set(told) >= set(WANTED) - {"D /etc/apt/sources.list.d", "A /etc/apt/sources.list"}
    for line in ("/etc/hosts.allow", "/var/spool", "/etc/hostname", "/dev", "/proc"):
        assert not [one for one in told if one.endswith(f" {line}")]
    assert told == sorted(told, key=lambda line: line[2:].split("/"))
    assert plugrun.out("container", "diff", changed).splitlines() == told


def test_a_container_that_changed_nothing_has_no_diff(plugrun: Plugrun, debian: str) -> None:
    plugrun("run", "--name", "still", debian, "true")
    assert plugrun.out("diff", "still") == ""
    assert "No such container: nowhere" in plugrun("diff", "nowhere", code=1).stderr


def test_export_holds_the_tree_and_nothing_mounted(
    plugrun: Plugrun, changed: str, tmp_path
) -> None:
    whole = tmp_path / "whole.tar"
    plugrun("export", "-o", str(whole), changed)
    assert oct(whole.stat().st_mode & 0o777) == "0o600"
    with tarfile.open(whole) as archive:
        found = {member.name: member for member in archive}
        names = list(found)
        assert archive.extractfile("etc/apt/new").read() == b"y\n"
    assert found["newtop"].islnk() and found["newtop"].linkname == "hard"
    assert found["usr/bin/tac"].mode & 0o4000
    assert found["link"].linkname == "nowhere"
    assert "etc/apt/keyrings" not in found
    assert "proc/1" not in found and "etc/issue/in" in found
    assert names == sorted(names, key=lambda name: name.split("/"))
    with open(tmp_path / "again.tar", "wb") as out:
        subprocess.run([*plugrun.argv, "export", changed], stdout=out, check=True)
    assert (tmp_path / "again.tar").read_bytes() == whole.read_bytes()
    piped = subprocess.run([*plugrun.argv, "export", changed], capture_output=True, check=True)
    assert piped.stdout == whole.read_bytes()


def test_export_refuses_a_terminal_and_what_is_no_file(
    plugrun: Plugrun, changed: str, tmp_path
) -> None:
    ours, theirs = pty.openpty()
    argv = [*plugrun.argv, "export", changed]
    done = subprocess.run(argv, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(ours), os.close(theirs)
    assert done.returncode == 1
    assert "cowardly refusing to save to a terminal" in done.stderr
    for path in ("/dev/null", str(tmp_path), str(tmp_path / "no" / "x.tar")):
        assert "failed to export" in plugrun("export", "-o", path, changed, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_running_container_is_exported_without_its_mounts(
    plugrun: Plugrun, debian: str, tmp_path
):
    (tmp_path / "inside").write_text("volume")
    script = "mknod /dev/own c 1 3; sleep 600"
    plugrun("run", "-d", "--name", "runs", "-v", f"{tmp_path}:/vol", debian, "sh", "-c", script)
    with socket.socket(socket.AF_UNIX) as unix:
        # A socket is in no tar: it means something only while somebody listens.
        root = plugrun.out("exec", "runs", "sh", "-c", "mkdir /sockets; echo made")
        assert root == "made"
        unix.bind(str(tmp_path / "socket"))
    piped = subprocess.run([*plugrun.argv, "export", "runs"], capture_output=True, check=True)
    (tmp_path / "out.tar").write_bytes(piped.stdout)
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = archive.getnames()
    assert "vol" in names and "vol/inside" not in names
    assert "dev/own" not in names and "proc/self" not in names


@pytest.mark.parametrize("runs", [False, True])
def test_any_storage_tells_the_same_by_comparing_trees(
    plugrun: Plugrun, changed: str, debian: str, runs: bool
) -> None:
    """As if the storage kept no layers apart: two trees are mounted and compared."""
    name = changed
    if runs:
        name = "runs"
        plugrun("run", "-d", "--name", name, debian, "sh", "-c", f"{CHANGES} touch /end; sleep 600")
        plugrun("exec", "-w", "/", name, "sh", "-c", "while [ ! -e /end ]; do :; done")
    engine = open_engine(GlobalOptions(plugrun.root, plugrun.run_root, plugrun.config))
    container = find_container(engine, name)
    from_layer = diff(engine, container)
    storage = engine.storage_named(container.storage.name)
    storage.capabilities = frozenset()
    assert diff(engine, container) == from_layer
    assert ("C", "/etc/passwd") in from_layer
    assert traces(plugrun.root) == [] or runs
