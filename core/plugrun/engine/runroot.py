"""Which run root serves a data root: a small file in the data root says so.

Two run roots on one data root would not see each other's containers, nor hold each other's locks.
The file names the data root by device and inode too: a copy of it is another data root, and one
that is reached by another path is not. It is read wherever an engine is opened; this module is
loaded only if it does not say what it should.
"""

from __future__ import annotations

import errno
import os

from plugrun.engine.engine import RECORD, Engine, record_stamp
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import BackendUnavailable, Conflict, PluginError
from plugrun.linux.writing import write_all
from plugrun.store.locks import Locks

# Stands before a record that is being judged, so that nobody takes it for his own meanwhile.
_JUDGED = b"?"
# As on a disk that is full: what frees it must go on.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_SHOWN = 3


def take_over(engine: Engine, own: bytes) -> tuple[int, ...]:
    """Have the record of an engine's root say ``own``, and return the stamp of its file.

    Raise Conflict if the run root that it names has a container that lives, or a command at work.
    The record is marked before that is looked for, and who writes a task file looks at the record
    afterwards: of two that begin at the same time at least one sees the other. What ended
    containers left in the other run root is freed, and the interfaces of its networks.
    """
    root = engine.root
    with Locks(root).exclusive(f"{RECORD}.lock"):  # the folder's own lock is the database's
        said = _read(root)
        former = said.removeprefix(_JUDGED)
        if _is_another(former, own):
            _write(root, _JUDGED + former)
            busy = _busy(former)
            if busy:
                _write(root, former)
                raise _refusal(root, former, own, busy)
            _clear(engine, os.fsdecode(former.split(b"\0")[2]))
        if said != own:
            _write(root, own)
        return record_stamp(root)


def _is_another(former: bytes, own: bytes) -> bool:
    """Whether a record names another run root of the same data root."""
    said, wanted = former.split(b"\0"), own.split(b"\0")
    return len(said) == len(wanted) and said[0] == wanted[0] and said[2] != wanted[2]


def _busy(former: bytes) -> str:
    """Return what is going on in the run root of a record; nothing if nothing is."""
    folder = os.fsdecode(former.split(b"\0")[2])
    alive = sorted(id for id in _listed(f"{folder}/containers") if _lives(folder, id))
    if alive:
        names = ", ".join(id[:12] for id in alive[:_SHOWN]) + (", …" if alive[_SHOWN:] else "")
        return f"whose containers live ({names})"
    if not os.path.isdir(f"{folder}/locks"):
        return ""
    lock = Locks(f"{folder}/locks").try_exclusive("images")
    if lock is None:
        return "where commands are at work"
    lock.release()
    return ""


def _lives(folder: str, id: str) -> bool:
    task = read_task_file(f"{folder}/containers/{id}")
    return task is not None and (task.attended or task.running)


def _clear(engine: Engine, folder: str) -> None:
    """Free what a run root's folder still knows of, as its own next command would."""
    if not os.path.isdir(folder):
        return
    from plugrun.engine.heal import heal

    former = Engine(engine.options, engine.root, folder)
    try:
        heal(former)
        for driver in sorted(_listed(f"{folder}/network")):
            try:
                former.network_named(driver).sweep(frozenset())
            except (BackendUnavailable, PluginError):
                continue  # its distribution was removed, or lacks a part
    except PluginError:
        return  # a backend that is broken only matters to those that use it
    finally:
        former.close_metadata()


def _refusal(root: str, former: bytes, own: bytes, busy: str) -> Conflict:
    _, place, folder = map(os.fsdecode, former.split(b"\0"))
    _, _, wanted = map(os.fsdecode, own.split(b"\0"))
    words = f"--run-root {os.path.dirname(folder)}"
    if place != root:
        words = f"--root {place} {words}"
    return Conflict(
        f"the data root {root} is used with {words}, {busy}: "
        f"{os.path.dirname(wanted)} would not know of them",
        hint=f"use {words}, or stop its containers first",
    )


def _read(root: str) -> bytes:
    try:
        with open(f"{root}/{RECORD}", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _write(root: str, data: bytes) -> None:
    # One name is enough under the lock; what a kill leaves of it the next one overwrites.
    aside = f"{root}/{RECORD}.new"
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        os.rename(aside, f"{root}/{RECORD}")
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
