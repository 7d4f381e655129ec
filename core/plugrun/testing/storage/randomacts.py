"""Random lists of acts, drawn by hypothesis."""

from __future__ import annotations

import fcntl
import os
from itertools import chain

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from plugrun.testing.storage.actions import XATTRS
from plugrun.testing.storage.acts import SLOTS, Act
from plugrun.testing.storage.beginnings import BEGINNINGS, LINKED

_FOLDERS = ["d", "e", "d/e", "d/e/e", "g", "new", "d/new", "."]
_FILES = ["f", "g", "h", "i", "big", "holes", "d/f", "d/h", "d/e/f", "d/e/g", "d/e/h", "e/f"]
_FILES += ["e/h", "e/g", "d/e/i", "new", "d/new", "e/new", "new/f", "d/new/f", "d/e/new"]
_OTHERS = ["s", "t", "x", "p", "n", "d/s", "e/s", "t/f", "t/new", "s/f", "../f", "d/../e/f"]
# Names most often meet a file or a folder where the act wants one.
_FILE = st.sampled_from(_FILES * 3 + _OTHERS + _FOLDERS)
_FOLDER = st.sampled_from(_FOLDERS * 6 + _FILES + _OTHERS)
_PATH = st.sampled_from(_FILES + _FOLDERS * 2 + _OTHERS)
_SLOT = st.integers(0, SLOTS - 1)
_MODE = st.sampled_from([0o644, 0o600, 0o755, 0o4755, 0o2775, 0o6711, 0o1777, 0o000, 0o444])
_OWNER = st.sampled_from([0, 7, 1000, -1])
_SIZE = st.sampled_from([0, 1, 5, 300, 4096, 5000, 70_000])
_OFFSET = st.sampled_from([0, 1, 100, 4095, 4096, 70_000, 1 << 20])
_LETTER = st.sampled_from("uvwxyz")
_TIME = st.sampled_from([-1_500_000_000, 1, 999_999_999_999_999_999, 5_000_000_000_123_456_789])
_XATTR = st.sampled_from(sorted(XATTRS))
_KINDS = st.sampled_from(["fifo", "socket", "char", "block"])
_TARGETS = st.sampled_from(["f", "d", "/d/f", "d/e", "../f", "gone", "s", "new", "/", "t" * 300])
_WRITE = [0, os.O_TRUNC, os.O_APPEND, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_CREAT | os.O_TRUNC]
_WRITE += [os.O_NOFOLLOW | os.O_CREAT, os.O_CREAT | os.O_APPEND]
_READ = [os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY, os.O_RDONLY | os.O_NOFOLLOW]
_OPEN = [*_READ, *_READ, *(os.O_RDWR | flag for flag in _WRITE), os.O_WRONLY, os.O_PATH]
_RENAMES = st.sampled_from([0, 0, 0, 0, 1, 2])  # RENAME_NOREPLACE, RENAME_EXCHANGE
# FALLOC_FL_KEEP_SIZE, and with it PUNCH_HOLE; ZERO_RANGE
_FALLOCATE = st.sampled_from([0, 1, 3, 16])
_LOCKS = st.sampled_from([fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN])


def _act(name: str, *values: SearchStrategy[object]) -> SearchStrategy[Act]:
    return st.tuples(st.just(name), *values)


_ACTS = st.one_of(
    _act("as_user", st.sampled_from([0, 0, 0, 1000, 7])),
    _act("stat", _PATH),
    _act("lstat", _PATH),
    _act("read", _FILE),
    _act("write", _FILE, _LETTER, _SIZE, st.sampled_from(_WRITE)),
    _act("write", _FILE, _LETTER, _SIZE, st.sampled_from(_WRITE)),
    _act("truncate", _FILE, _SIZE),
    _act("unlink", _FILE),
    _act("unlink", _FILE),
    _act("mkdir", _FOLDER, _MODE),
    _act("rmdir", _FOLDER),
    _act("rename", _PATH, _PATH, _RENAMES),
    _act("rename", _FOLDER, _FOLDER, _RENAMES),
    _act("rename", _FILE, _FILE, _RENAMES),
    _act("link", _FILE, _FILE),
    _act("symlink", _TARGETS, _PATH),
    _act("readlink", st.sampled_from(_OTHERS + _FILES)),
    _act("mknod", _PATH, _KINDS, _MODE),
    _act("chmod", _PATH, _MODE),
    _act("chown", _PATH, _OWNER, _OWNER),
    _act("utime", _PATH, _TIME, st.booleans()),
    _act("access", _PATH, st.integers(0, 7)),
    _act("setxattr", _PATH, _XATTR, st.integers(0, 1), st.integers(0, 2)),
    _act("removexattr", _PATH, _XATTR),
    _act("xattrs", _PATH),
    _act("listdir", _FOLDER),
    _act("crowd", _FOLDER, st.integers(1, 40)),
    _act("thin_out", _FOLDER, st.integers(1, 4)),
    _act("thin_out", _FOLDER, st.integers(1, 2)),
    *[_act("open", _SLOT, _FILE, st.sampled_from(_OPEN), _MODE)] * 3,
    _act("open", _SLOT, _FOLDER, st.just(os.O_RDONLY | os.O_DIRECTORY), st.just(0)),
    _act("close", _SLOT),
    _act("pread", _SLOT, _SIZE, _OFFSET),
    _act("pwrite", _SLOT, _LETTER, _SIZE, _OFFSET),
    _act("write_on", _SLOT, _LETTER, _SIZE),
    _act("mmap_write", _SLOT, _LETTER, _SIZE, _OFFSET),
    _act("seek_end", _SLOT),
    _act("ftruncate", _SLOT, _SIZE),
    _act("fallocate", _SLOT, _FALLOCATE, _OFFSET, _SIZE),
    _act("copy_range", _SLOT, _SLOT, _SIZE),
    _act("fsync", _SLOT),
    _act("fstat", _SLOT),
    _act("fstat", _SLOT),
    _act("fchmod", _SLOT, _MODE),
    _act("fchown", _SLOT, _OWNER, _OWNER),
    _act("futime", _SLOT, _TIME),
    _act("fsetxattr", _SLOT, _XATTR, st.integers(0, 1)),
    _act("flock", _SLOT, _LOCKS),
    _act("flistdir", _SLOT),
    _act("create_in", _SLOT, st.sampled_from("fgh")),
    _act("is_same", _SLOT, _PATH),
    _act("is_as_opened", _SLOT),
)

# Most use: a file that is kept open while its name goes elsewhere, and changed by both ways.
_KEPT = st.tuples(
    _act("open", st.just(0), _FILE, st.sampled_from(_OPEN), _MODE),
    st.one_of(
        _act("unlink", _FILE), _act("rename", _FILE, _FILE, _RENAMES), _act("link", _FILE, _FILE)
    ),
    _act("write", _FILE, _LETTER, _SIZE, st.sampled_from(_WRITE)),
    _act("pread", st.just(0), _SIZE, _OFFSET),
    _act("fstat", st.just(0)),
).map(list)


def lives() -> SearchStrategy[list[list[Act]]]:
    """Draw the acts of one to three lives of a tree; descriptors end with a life."""
    some = st.lists(st.one_of(_ACTS.map(lambda a: [a]), _KEPT), min_size=4, max_size=24)
    return st.lists(some.map(lambda parts: [*chain.from_iterable(parts)]), min_size=1, max_size=3)


def beginnings(*, with_links: bool) -> SearchStrategy[str]:
    """Draw the name of a beginning."""
    names = [*BEGINNINGS, *LINKED] if with_links else [*BEGINNINGS]
    return st.sampled_from(names[::-1])
