"""Where COPY puts things, whose they are, with which mode; and what a build's last word names."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from plugrun.dockerfile.context import Context, context_kind, stdin_kind
from plugrun.dockerfile.destination import check_sources, destination, parents, source_path
from plugrun.dockerfile.instructions import Copy
from plugrun.dockerfile.ownership import Owner, parse_chmod, parse_chown
from plugrun.errors import InvalidArgument


@pytest.mark.parametrize(
    ("workdir", "text", "path", "is_folder"),
    [
        ("", "a", "/a", False),
        ("/w", "a/b", "/w/a/b", False),
        ("/w", "a/", "/w/a", True),
        ("/w", "/a/", "/a", True),
        ("/w", ".", "/w", True),
        ("/w", "./", "/w", True),
        ("/w", "", "/w", True),
        ("/w", "..", "/", True),
        ("/w", "../../x", "/x", False),
        ("/w", "/", "/", True),
        ("/w", "a/.", "/w/a", True),
        ("w", "a", "/w/a", False),
    ],
)
def test_destinations(workdir: str, text: str, path: str, is_folder: bool) -> None:
    found = destination(workdir, text)
    assert (found.path, found.is_folder) == (path, is_folder)
    assert found.of_file("n", existing_folder=True) == os.path.join(path, "n")
    assert found.of_file("n", existing_folder=False) == (
        os.path.join(path, "n") if is_folder else path
    )


def test_several_sources_need_a_folder() -> None:
    copy = Copy("COPY", "", 1, 1, ("a", "b"), (), "c")
    check_sources(copy, 1)
    with pytest.raises(InvalidArgument, match="When using COPY with more than one source file"):
        check_sources(copy, 2)


@pytest.mark.parametrize(
    ("text", "path"),
    [("a", "a"), ("/a", "a"), ("../../a", "a"), ("./a/./b/", "a/b"), (".", ""), ("a/../..", ""),
     ("//a", "a")],
)  # fmt: skip
def test_sources_stay_in_their_root(text: str, path: str) -> None:
    assert source_path(text) == path


def test_parents_are_cut_at_the_pivot() -> None:
    found = [parents(one) for one in ("a/b/c", "a/./b/*", "../a/./b/./c")]
    assert [(one.root, one.pattern) for one in found] == [("", "a/b/c"), ("a", "b/*"), ("a", "b/c")]


@pytest.mark.parametrize(
    ("text", "owner", "numeric"),
    [
        ("1000", Owner("1000", ""), (1000, 1000)),
        ("1:2", Owner("1", "2"), (1, 2)),
        ("u:g", Owner("u", "g"), None),
        ("u", Owner("u", ""), None),
        ("1:g", Owner("1", "g"), None),
        (":5", Owner("0", "5"), (0, 5)),
        ("7:", Owner("7", ""), (7, 7)),
    ],
)
def test_owners(text: str, owner: Owner, numeric: tuple[int, int] | None) -> None:
    found = parse_chown(text)
    assert found == owner
    assert found.numeric == numeric


@pytest.mark.parametrize("text", ["", ":", "1:2:3", "4294967295", "1:99999999999"])
def test_owners_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid chown"):
        parse_chown(text)


@pytest.mark.parametrize("text", ["755", "0644", "7777", "0", "u+x", "go-rwx", "a=r", "+x", "+w",
                                  "u=rwX,go=rX", "g=u", "o=g-w", "u+s,g+s", "+t", "a-x+X", "=",
                                  "u=rw,g=u,o=", "ug+X", "-w"])  # fmt: skip
@pytest.mark.parametrize("mode", [0o644, 0o750, 0o4711, 0o600])
def test_modes_are_chmods(text: str, mode: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(mode)
    # The shell sets the umask that a mode without a name leaves alone.
    subprocess.run(["sh", "-c", 'umask 022; chmod -- "$1" "$2"', "sh", text, file], check=False)
    assert parse_chmod(text).applied(mode, is_folder=False) == stat.S_IMODE(file.stat().st_mode)


def test_folders_are_entered_with_a_capital_x() -> None:
    assert parse_chmod("a+X").applied(0o600, is_folder=True) == 0o711
    assert parse_chmod("a+X").applied(0o600, is_folder=False) == 0o600


@pytest.mark.parametrize(
    "text", ["", "8", "10000", "888", "u", "u+q", "x+r", "u+rg", "+x,", "a+x b"]
)
def test_modes_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid chmod parameter"):
        parse_chmod(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("-", Context("stdin", "-")),
        (".", Context("path", ".")),
        ("/a/b.git", Context("path", "/a/b.git")),
        ("a#b", Context("path", "a#b")),
        ("./a@b:c", Context("path", "./a@b:c")),
        ("http://h/a.tar.gz", Context("url", "http://h/a.tar.gz")),
        ("https://h/a.git", Context("git", "https://h/a.git")),
        ("https://h/a.git#main:sub/dir", Context("git", "https://h/a.git", "main", "sub/dir")),
        ("https://h/a.git#:sub/", Context("git", "https://h/a.git", "", "sub")),
        ("git://h/a#v1", Context("git", "git://h/a", "v1")),
        ("ssh://git@h/a.git", Context("git", "ssh://git@h/a.git")),
        ("git@h:o/a.git#x", Context("git", "git@h:o/a.git", "x")),
        ("github.com/o/a#x", Context("git", "https://github.com/o/a", "x")),
    ],
)
def test_contexts(text: str, wanted: Context) -> None:
    assert context_kind(text) == wanted


@pytest.mark.parametrize("text", ["https://h/a.git#-x", "https://h/a.git#x:../y", "-u@h:x"])
def test_contexts_that_would_mislead_git(text: str) -> None:
    with pytest.raises(InvalidArgument):
        context_kind(text)


def test_what_comes_on_standard_input(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    made = {}
    for name in ("", "z", "j", "J"):
        made[name] = subprocess.run(
            ["tar", f"-c{name}f", "-", "-C", tmp_path, "f"], capture_output=True, check=True
        ).stdout
    old = subprocess.run(
        ["tar", "--format=v7", "-cf", "-", "-C", tmp_path, "f"], capture_output=True, check=True
    ).stdout
    assert all(stdin_kind(data[:512]) == "tar" for data in (*made.values(), old))
    for text in (b"", b"FROM a\n", b"# " + b"x" * 600, b"\x00" * 512):
        assert stdin_kind(text[:512]) == "dockerfile"
