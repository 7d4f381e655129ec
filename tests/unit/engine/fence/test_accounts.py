"""USER against an image's passwd and group."""

from __future__ import annotations

import os
import socket

import pytest
from plugrun.engine.fence.accounts import Accounts, Identity, identify, read_accounts
from plugrun.errors import InvalidArgument
from plugrun.linux.libc import LIBC, check

ACCOUNTS = Accounts(
    b"root:x:0:0:root:/root:/bin/sh\nbroken line\nweb:x:33:34:w:/srv:/bin/false\nbad:x:y:z::/:\n"
    b"long:x:1:1:::\n",
    b"root:x:0:\nweb:x:34:\nlog:x:40:web,root\naudio:x:29:other,web\nodd:x:no:web\n",
)


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ("", Identity(0, 0, (40,), "/root")),
        ("root", Identity(0, 0, (40,), "/root")),
        ("web", Identity(33, 34, (29, 40), "/srv")),
        ("33", Identity(33, 34, (29, 40), "/srv")),
        ("web:log", Identity(33, 40, (), "/srv")),
        ("web:7", Identity(33, 7, (), "/srv")),
        ("1234", Identity(1234, 0, (), "/")),
        ("1234:5678", Identity(1234, 5678, (), "/")),
        ("long", Identity(1, 1, (), "/")),
    ],
)
def test_resolved_as_docker_does(user, identity):
    assert identify(user, ACCOUNTS) == identity


@pytest.mark.parametrize("user", ["nobody", "web:nogroup", "99999999999", "bad"])
def test_what_is_not_there_is_an_error(user):
    with pytest.raises(InvalidArgument):
        identify(user, ACCOUNTS)


def test_files_are_read_beneath_the_root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/../../../../etc/passwd")
    os.mkfifo(tmp_path / "etc/group")
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        # The link points at itself inside the root, and a FIFO must not block.
        assert read_accounts(root) == Accounts(b"", b"")
    finally:
        os.close(root)


@pytest.mark.parametrize("kind", ["fifo", "link to a fifo", "socket"])
def test_what_is_no_file_is_not_even_opened(tmp_path, kind):
    (tmp_path / "etc").mkdir()
    place = tmp_path / "etc" / "passwd"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
    else:
        os.mkfifo(tmp_path / "etc" / "fifo" if "link" in kind else place)
        if "link" in kind:
            place.symlink_to("fifo")
    opened = _opens(tmp_path / "etc")
    root = os.open(tmp_path, os.O_PATH)
    assert read_accounts(root).passwd == b""
    os.close(root)
    assert not opened()


def _opens(folder):
    """Watch a folder; what is returned says whether a file in it has been opened since."""
    fd = check(LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    check(LIBC.inotify_add_watch(fd, os.fsencode(folder), 0x20))  # IN_OPEN

    def opened() -> bytes:
        try:
            return os.read(fd, 4096)
        except BlockingIOError:
            return b""
        finally:
            os.close(fd)

    return opened


def test_a_line_with_an_id_out_of_range_is_nobodys():
    accounts = Accounts(b"big:x:4294967295:1::/:\nhuge:x:" + b"9" * 5000 + b":1::/:\n", b"")
    assert identify("5", accounts).uid == 5
    with pytest.raises(InvalidArgument):
        identify("big", accounts)
    with pytest.raises(InvalidArgument, match="range"):
        identify("9" * 5000, accounts)
