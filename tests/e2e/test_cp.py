"""cp: Docker's rules, both ways, on running and stopped containers, and hostile ones.

What is expected of each case was seen of Docker 28.2 on the same trees.
"""

from __future__ import annotations

import io
import os
import pty
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from .conftest import HOST_IMAGE, Plugrun

IMAGE = HOST_IMAGE.replace("host:", "host:ln,mv,rm,find,")
INSIDE = """
mkdir -p /t/dir /s/d/sub; echo in >/t/file; ln -s file /t/lf; ln -s dir /t/ld; ln -s /t/dir /t/lda
ln -s nowhere /t/broken; echo f >/s/f; echo a >/s/d/a; ln -s a /s/d/l; ln -s f /s/lf; ln -s d /s/ld
ln -s /gone /s/broken; ln -s /s/d/../f /s/abs; ln /s/d/a /s/d/hard; sleep 600
"""


@pytest.fixture(params=["running", "stopped"])
def box(plugrun: Plugrun, request: pytest.FixtureRequest) -> Iterator[str]:
    """A container with the same tree, running or stopped."""
    plugrun("run", "-d", "--name", "box", IMAGE, "sh", "-c", INSIDE)
    plugrun("exec", "box", "sh", "-c", "while [ ! -e /s/d/hard ]; do :; done")
    if request.param == "stopped":
        plugrun("kill", "box")
        plugrun("wait", "box")
    yield "box"
    plugrun("rm", "-f", "box")


@pytest.fixture
def here(tmp_path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with files to copy from and to; the working directory."""
    monkeypatch.chdir(tmp_path)
    os.makedirs("d/sub")
    os.makedirs("o/dir")
    for path, text in (("f", "hi"), ("d/a", "x"), ("d/sub/b", "y"), ("o/file", "old")):
        (tmp_path / path).write_text(text)
    os.chown("f", 5, 6)
    os.chmod("d/a", 0o4750)
    os.utime("f", ns=(10**18, 10**18 + 5))
    for target, name in (("a", "d/l"), ("f", "lf"), ("d", "ld"), ("nowhere", "broken")):
        os.symlink(target, name)
    for target, name in (("dir", "o/ld"), ("nowhere", "o/broken"), ("file", "o/lf")):
        os.symlink(target, name)
    return str(tmp_path)


def tree(plugrun: Plugrun, place: str) -> dict[str, tarfile.TarInfo]:
    """Return what lies in a container's folder, by name."""
    done = subprocess.run([*plugrun.argv, "cp", f"box:{place}/.", "-"], capture_output=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        return {member.name.removeprefix("./"): member for member in archive}


def test_into_a_container(plugrun: Plugrun, box: str, here: str) -> None:
    for args in (
        ("f", "box:/t/new"), ("f", "box:/t/dir"), ("d", "box:/t/newd"), ("d", "box:/t/dir"),
        ("d/.", "box:/t/c0"), ("f", "box:/t/lf"), ("f", "box:/t/lda"), ("lf", "box:/t/c1"),
        ("ld", "box:/t/c2"), ("-L", "lf", "box:/t/c3"), ("-L", "ld", "box:/t/c4"),
        ("f", "box:/t/broken"), ("ld/", "box:/t/c7"), ("ld/.", "box:/t/c8"),
        ("-a", "f", "box:/t/kept"), ("d/a", "box:t/rel"), ("f", "box:/../t/../t/./up"),
    ):  # fmt: skip
        done = plugrun("cp", *args)
        assert (done.stdout, done.stderr) == ("", ""), args
    found = tree(plugrun, "/t")
    files = {name for name, member in found.items() if member.isreg()}
    inside = ("a", "sub/b")
    assert files == {
        *("new", "dir/f", "file", "c3", "nowhere", "kept", "rel", "up"),
        *(f"{top}/{name}" for top in ("newd", "dir/d", "c0", "c4", "c7", "c8") for name in inside),
    }
    links = {name: member.linkname for name, member in found.items() if member.issym()}
    assert links["c1"] == "f" and links["c2"] == "d" and links["newd/l"] == "a"
    assert links["lf"] == "file" and links["broken"] == "nowhere"
    assert found["newd/a"].mode == 0o4750 and found["new"].mtime == 10**9
    assert (found["new"].uid, found["new"].gid) == (0, 0)
    assert (found["kept"].uid, found["kept"].gid) == (5, 6)
    assert (found["file"].size, found["nowhere"].size) == (2, 2)


def test_out_of_a_container(plugrun: Plugrun, box: str, here: str) -> None:
    for args in (
        ("box:/s/f", "o/new"), ("box:/s/f", "o/dir"), ("box:/s/d", "o/newd"),
        ("box:/s/d", "o/dir"), ("box:/s/d/.", "o/dir2"), ("box:/s/f", "o/lf"),
        ("box:/s/f", "o/ld"), ("box:/s/f", "o/broken"), ("box:/s/lf", "o/c1"),
        ("box:/s/ld", "o/c2"), ("-L", "box:/s/lf", "o/c3"), ("-L", "box:/s/ld", "o/c4"),
        ("box:/s/broken", "o/c5"), ("box:/s/ld/", "o/c7"), ("-L", "box:/s/abs", "o/c9"),
        ("box:s/f", "o/rel"), ("box:/s/d/sub/../a", "o/up"), ("box:/s", "o/whole"),
    ):  # fmt: skip
        done = plugrun("cp", *args)
        assert (done.stdout, done.stderr) == ("", ""), args
    found = {
        os.path.join(folder, name)[2:]
        for folder, folders, names in os.walk("o")
        for name in names + folders
    }
    assert found == {
        *("new", "file", "dir", "dir/f", "dir/d", "ld", "lf", "broken", "nowhere", "rel", "up"),
        *(f"c{n}" for n in (1, 2, 3, 4, 5, 7, 9)), "newd", "dir2", "whole", "whole/d",
        *(f"whole/{name}" for name in ("abs", "broken", "f", "ld", "lf")),
        *(f"{top}/{name}" for name in ("a", "hard", "l", "sub")
          for top in ("newd", "dir/d", "dir2", "c4", "c7", "whole/d")),
    }  # fmt: skip
    assert os.stat("o/newd/a").st_ino == os.stat("o/newd/hard").st_ino
    assert os.readlink("o/c1") == "f" and os.readlink("o/c5") == "/gone"
    for name in ("file", "c3", "c9", "nowhere"):
        with open(f"o/{name}", encoding="utf-8") as file:
            assert file.read() == "f\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("f", "box:/t/nodir/"), "no such directory"),
        (("f", "box:/t/nodir/x"), "Could not find the file /t/nodir in container box"),
        (("d", "box:/t/file"), "cannot copy directory"),
        (("d", "box:/t/lf"), "cannot copy directory"),
        (("d/.", "box:/t/file"), "cannot copy directory"),
        (("f", "box:/t/file/"), "no such directory"),
        (("f/", "box:/t"), "not a directory"),
        (("nosuch", "box:/t"), "nosuch: no such file or directory"),
        (("-L", "broken", "box:/t/x"), "nowhere: no such file or directory"),
        (("f", "box:/nosuch/a"), "Could not find the file /nosuch in container box"),
        (("box:/s/f", "o/nodir/"), "no such directory"),
        (("box:/s/f", "o/nodir/x"), 'o/nodir" does not exist'),
        (("box:/s/d", "o/file"), "cannot copy directory"),
        (("box:/s/f", "o/file/"), "not a directory"),
        (("box:/s/f/", "o/q"), "lstat /s/f/: not a directory"),
        (("box:/s/nosuch", "o/q"), "Could not find the file /s/nosuch in container box"),
        (("-L", "box:/s/broken", "o/q"), "Could not find the file /gone in container box"),
        (("f", "box:/etc/hosts"), "unlinkat /etc/hosts: device or resource busy"),
        (("box:", "x"), "path cannot be empty"),
        (("f", "f"), "must specify at least one container source"),
        (("box:/a", "box:/b"), "copying between containers is not supported"),
        (("f", "nosuch:/x"), "No such container: nosuch"),
        (("-", "box:/s/f"), 'destination "box:/s/f" must be a directory'),
    ],
)
def test_refusals(plugrun: Plugrun, box: str, here: str, args: tuple[str, ...], said: str) -> None:
    before = sorted(os.listdir("o"))
    assert said in plugrun("cp", *args, code=1).stderr
    assert sorted(os.listdir("o")) == before


def test_all_of_a_container_is_its_files_and_not_the_kernels(
    plugrun: Plugrun, box: str, here: str
) -> None:
    whole = tree(plugrun, "")
    assert {"s/d/a", "t/file", "proc", "sys", "dev"} <= set(whole)
    assert [name for name in whole if name.startswith(("proc/", "sys/", "dev/"))] == []
    plugrun("cp", "box:/", "o/whole")
    assert os.listdir("o/whole/proc") == os.listdir("o/whole/dev") == []
    with open("o/whole/s/f", encoding="ascii") as file:
        assert file.read() == "f\n"
    assert set(tree(plugrun, "/proc")) <= {"."}
    for path in ("/proc/version", "/proc/self/.", "/proc/1/"):
        failed = plugrun("cp", f"box:{path}", "o/kernel", code=1).stderr
        assert "Could not find the file /proc/" in failed
    assert not os.path.exists("o/kernel")


def test_folders_and_files_do_not_replace_each_other(plugrun: Plugrun, box: str, here: str) -> None:
    os.makedirs("o/one/f")
    os.makedirs("o/two")
    with open("o/two/d", "wb"):
        pass
    top = f"{here}/o"
    said = plugrun("cp", "box:/s/f", "o/one", code=1).stderr
    assert f'cannot overwrite directory "{top}/one/f" with non-directory "{top}/one"' in said
    said = plugrun("cp", "box:/s/d", "o/two", code=1).stderr
    assert f'cannot overwrite non-directory "{top}/two/d" with directory "{top}/two"' in said


def test_a_tar_on_standard_input(plugrun: Plugrun, box: str, here: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add("d")
        for name in (".wh.literal", "lf/through"):
            archive.addfile(tarfile.TarInfo(name))
    argv = [*plugrun.argv, "cp", "-", "box:/t/ld"]
    done = subprocess.run(argv, input=buffer.getvalue(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found = tree(plugrun, "/t/dir")
    assert {"d/a", "d/sub/b", ".wh.literal", "lf/through"} <= set(found)
    for text in (b"junk", b"j" * 512):
        argv = [*plugrun.argv, "cp", "-", "box:/t"]
        done = subprocess.run(argv, input=text, capture_output=True, check=False)
        assert done.returncode == 1 and b"Error: standard input: " in done.stderr
    for name, linkname in (("../out", ""), ("lie/x", "/etc"), ("ok", "../../../etc/passwd")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            if linkname == "/etc":
                link = tarfile.TarInfo("lie")
                link.type, link.linkname = tarfile.SYMTYPE, "/../../s/d"
                archive.addfile(link)
            info = tarfile.TarInfo(name)
            if name == "ok":
                info.type, info.linkname = tarfile.LNKTYPE, linkname
            archive.addfile(info)
        done = subprocess.run(argv, input=buffer.getvalue(), capture_output=True, check=False)
        assert done.returncode == (0 if linkname == "/etc" else 1), done.stderr
    assert "x" in tree(plugrun, "/s/d")
    assert not os.path.exists("/s") and not os.path.exists("/out")


def test_a_terminal_is_told_how_much(plugrun: Plugrun, box: str, here: str) -> None:
    for words, said in (
        (("box:/s/f", "o/new"), f"Successfully copied 2.05kB to {here}/o/new"),
        (("f", "box:/t/new"), "Successfully copied 2.05kB to box:/t/new"),
        (("-q", "f", "box:/t/new"), ""),
    ):
        ours, theirs = pty.openpty()
        argv = [*plugrun.argv, "cp", *words]
        subprocess.run(argv, stderr=theirs, check=True)
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 4096):
                text += piece
        except OSError:
            pass
        os.close(ours)
        assert text.decode().strip() == said


def test_what_is_read_only_is_refused_and_volumes_are_reached(
    plugrun: Plugrun, here: str, tmp_path
) -> None:
    (tmp_path / "vol").mkdir()
    mounts = ("-v", f"{here}/vol:/rw", "-v", f"{here}/o:/ro:ro")
    plugrun("run", "-d", "--name", "box", "--read-only", *mounts, IMAGE, "sleep", "600")
    for _ in range(2):
        said = plugrun("cp", "f", "box:/x", code=1).stderr
        assert "container rootfs is marked read-only" in said
        assert (
            "mounted volume is marked read-only" in plugrun("cp", "f", "box:/ro/x", code=1).stderr
        )
        plugrun("cp", "f", "box:/rw/x")
        assert (tmp_path / "vol/x").read_text() == "hi"
        os.unlink("vol/x")
        plugrun("cp", "box:/ro/file", "copied")
        plugrun("kill", "box", code=None)
        plugrun("wait", "box", code=None)


SWAP = """
mkdir -p /work/real; echo good >/work/real/secret
while true; do
  rm -f /work/way; ln -s /etc /work/way; rm -f /work/way; mv /work/real /work/way 2>/dev/null
  mv /work/way /work/real 2>/dev/null
done
"""


def test_a_container_that_swaps_symlinks_reaches_nothing_outside(
    plugrun: Plugrun, here: str
) -> None:
    """CVE-2018-15664: /etc of the host is neither read nor written, whatever the moment."""
    plugrun("run", "-d", "--name", "box", IMAGE, "sh", "-c", SWAP)
    marks = ("box:/work/way/passwd", "box:/work/way/secret")
    with open("/etc/passwd", encoding="utf-8") as file:
        host = file.read()
    for number in range(12):
        plugrun("cp", marks[number % 2], f"o/got{number}", code=None)
        plugrun("cp", "f", "box:/work/way/plugrun-was-here", code=None)
        plugrun("cp", "d", "box:/work/way/plugrun-was-here-too", code=None)
    assert not [name for name in os.listdir("/etc") if "plugrun-was-here" in name]
    for name in os.listdir("o"):
        if name.startswith("got") and os.path.isfile(f"o/{name}"):
            with open(f"o/{name}", encoding="utf-8") as file:
                assert file.read() != host
    plugrun("kill", "box")


def test_links_of_a_stopped_container_stay_in_it(plugrun: Plugrun, here: str) -> None:
    script = f"mkdir -p {here}/o; ln -s {here} /up; ln -s ../../../../../..{here}/o /deep"
    plugrun("run", "--name", "box", IMAGE, "sh", "-c", script)
    before = sorted(os.listdir("o"))
    plugrun("cp", "f", "box:/deep/escaped")
    plugrun("cp", "f", "box:/up/o/escaped-too")
    assert sorted(os.listdir("o")) == before
    assert {"escaped", "escaped-too"} <= set(tree(plugrun, f"{here}/o"))
