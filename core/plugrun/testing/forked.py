"""Forked children for contract suites: with mounts of their own, killed in the middle, racing."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from plugrun.linux import mounting, process
from plugrun.linux.attach import ReadyMounts

if TYPE_CHECKING:
    from plugrun.model.mount import Mount

T = TypeVar("T")

_KILLED = 99
# What a verb changes the world with; a process can be killed before any of these.
_ACTS = (
    "chmod",
    "chown",
    "fchmod",
    "fchown",
    "fsync",
    "link",
    "mkdir",
    "mknod",
    "open",
    "remove",
    "removexattr",
    "rename",
    "replace",
    "rmdir",
    "setxattr",
    "symlink",
    "unlink",
    "utime",
    "write",
)


def in_child(act: Callable[[], T]) -> T:
    """Call a function in a forked child; return what it returns, or fail with its traceback."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _answer(write_end, act)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not answer:
        raise AssertionError(f"a child process gave no answer; wait status {status:#x}")
    worked, value = pickle.loads(answer)  # noqa: S301  (our own child)
    if not worked:
        raise AssertionError(f"in a child process:\n{value}")
    found: T = value
    return found


def _answer(write_end: int, act: Callable[[], Any]) -> None:
    try:
        answer = (True, act())
    except BaseException:  # noqa: BLE001  (the child must never run the parent's tests on)
        answer = (False, traceback.format_exc())
    try:
        with open(write_end, "wb") as pipe:
            pipe.write(pickle.dumps(answer))
    finally:
        os._exit(0)


def mounted(mounts: Sequence[Mount], place: str, act: Callable[[str], T]) -> T:
    """Perform mounts on the folder ``place`` in a child of their own, and call a function there.

    The mounts end with the child.
    """

    def look() -> T:
        with ReadyMounts(mounts) as ready:
            process.unshare(process.CLONE_NEWNS)
            mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
            ready.perform(place)
        return act(place)

    return in_child(look)


def killed_at(count: int, act: Callable[[], object]) -> bool:
    """Call a function in a child that is killed before its act number ``count``.

    Acts are calls of ``os`` that change something. Return whether it came to that; if not, the
    function has run to its end.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _kill_before(count)
            act()
            code = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _KILLED), "the verb failed by itself; see its traceback on stderr"
    return code == _KILLED


def _kill_before(count: int) -> None:
    left = [count]

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if left[0] == 0:
                os._exit(_KILLED)
            left[0] -= 1
            return real(*args, **kwargs)

        return call

    for name in _ACTS:
        setattr(os, name, wrap(getattr(os, name)))


def race(acts: Sequence[Callable[[], object]], errors: type[Exception]) -> list[str]:
    """Start functions at the same moment in processes of their own.

    Return for each the name of the error of type ``errors`` that it raised, or the empty string.
    """
    gate_read, gate_write = os.pipe()
    answers = []
    for act in acts:
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.close(gate_write)
            os.close(read_end)
            _answer(write_end, lambda act=act: _after(gate_read, act, errors))  # type: ignore[misc]
        os.close(write_end)
        answers.append(read_end)
    os.close(gate_read)
    os.close(gate_write)  # end of file is the signal to start
    return [_result(answer) for answer in answers]


def _after(gate: int, act: Callable[[], object], errors: type[Exception]) -> str:
    os.read(gate, 1)
    try:
        act()
    except errors as error:
        return type(error).__name__
    return ""


def _result(answer: int) -> str:
    with open(answer, "rb") as pipe:
        worked, value = pickle.loads(pipe.read())  # noqa: S301  (our own child)
    os.wait()
    assert worked, value
    return str(value)
