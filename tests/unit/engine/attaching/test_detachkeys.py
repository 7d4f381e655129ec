"""Docker's notation of keys, and an input that looks for them."""

from __future__ import annotations

import os

import pytest
from plugrun.engine.attaching.client import Input
from plugrun.engine.attaching.detachkeys import detach_keys
from plugrun.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", b"\x10\x11"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x00\x1b\x1c\x1d\x1e\x1f"),
        ("a,B,~", b"aB~"),
        ("ctrl-a", b"\x01"),
    ],
)
def test_keys(text, keys):
    assert detach_keys(text) == keys


@pytest.mark.parametrize("text", ["foo", "ctrl-", "ctrl-foo", "ctrl-1", "a,,b", "é"])
def test_what_is_no_key(text):
    with pytest.raises(InvalidArgument, match="Invalid escape keys"):
        detach_keys(text)


@pytest.fixture
def typed(monkeypatch):
    """An input, what is typed into it, and what comes out of it."""
    reader, writer = os.pipe()
    zero = os.dup(0)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    keyboard, typing = os.pipe()
    os.dup2(keyboard, 0)

    def run(keys: bytes, *pieces: bytes) -> tuple[bytes, bool]:
        input = Input(os.dup(writer), terminal=True, keys=keys)
        for piece in pieces:
            os.write(typing, piece)
            input.step()
        os.set_blocking(reader, False)
        try:
            return os.read(reader, 4096), input.detached
        except BlockingIOError:
            return b"", input.detached

    yield run
    os.dup2(zero, 0)
    for fd in (reader, writer, zero, keyboard, typing):
        os.close(fd)


def test_keys_in_one_piece_and_in_several(typed):
    assert typed(b"\x10\x11", b"ab\x10\x11cd") == (b"ab", True)
    assert typed(b"\x10\x11", b"ab\x10", b"\x11") == (b"ab", True)
    assert typed(b"abc", b"xa", b"b", b"c") == (b"x", True)


def test_keys_that_only_begin_alike_pass(typed):
    assert typed(b"\x10\x11", b"\x10", b"x") == (b"\x10x", False)
    assert typed(b"aab", b"aa", b"ab") == (b"a", True)
    assert typed(b"abc", b"ab", b"abd") == (b"ababd", False)


def test_a_lone_beginning_is_held_back(typed):
    assert typed(b"\x10\x11", b"x\x10") == (b"x", False)
