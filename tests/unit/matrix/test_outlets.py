"""What results are written to, looked at beforehand."""

import os

import pytest
from plugrun.errors import UsageError
from plugrun.matrix.outlets import check_file, check_folder


def tree(folder):
    return sorted(os.path.join(at, name) for at, *lists in os.walk(folder) for some in lists
                  for name in some)  # fmt: skip


@pytest.mark.parametrize("name", ["new", "there", "dangling", "linked/new"])
def test_what_can_be_written_and_is_not_touched(tmp_path, name):
    (tmp_path / "there").write_text("as it was")
    (tmp_path / "dangling").symlink_to("later")
    (tmp_path / "folder").mkdir()
    (tmp_path / "linked").symlink_to("folder")
    before = tree(tmp_path)
    check_file("html", str(tmp_path / name))
    assert tree(tmp_path) == before
    assert (tmp_path / "there").read_text() == "as it was"


def test_a_pipe_and_a_device_will_do(tmp_path):
    check_file("json", "/dev/null")
    os.mkfifo(tmp_path / "pipe")
    check_file("json", str(tmp_path / "pipe"))  # nobody reads: it must not be opened


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no/such/r.html", "No such file"),
        ("file/r.html", "Not a directory"),
        ("folder", "Is a directory"),
        ("new/", "Is a directory"),
        ("dangling", "No such file"),
        ("a" * 300, "File name too long"),
        ("loop", "Too many levels"),
    ],
)
def test_files_that_cannot_be(tmp_path, name, words):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("no/such/place")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match=rf"cannot write --html .*: {words}"):
        check_file("html", f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["", "new", "new/and/deep", "there"])
def test_folders_are_made_later(tmp_path, name):
    (tmp_path / "there").mkdir()
    check_folder("logs", f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == ["there"]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_folders_that_cannot_be(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write into --logs .*: Not a directory"):
        check_folder("logs", f"{tmp_path}/{name}")


def test_what_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=r"Permission denied|Read-only"):
        check_file("junit", str(tmp_path / "new"))
    with pytest.raises(UsageError, match=r"Permission denied|Read-only"):
        check_folder("logs", str(tmp_path / "new"))
