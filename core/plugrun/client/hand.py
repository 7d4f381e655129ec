"""The process that does the work for a Python program: a fork for each command.

It reads one message a command from the socket on descriptor 0: the command line, folder and
environment as JSON, and four descriptors: the command's input, output, errors, and where its
outcome is to be told. It ends when nobody holds the other end any more. What it has forked goes on.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn

from plugrun.cli import failure, output
from plugrun.cli.dispatch import dispatch
from plugrun.cli.fastparse import ArgumentCount, FlagError, parse
from plugrun.cli.main import global_options
from plugrun.cli.options import ROOT, Command
from plugrun.errors import PlugrunError, UsageError

MOST = 1 << 20  # bytes of one message: the kernel's limit of a command line is 2 MiB with all
_FDS = 4
TOLD = "--cid-fd=told"  # stands for the descriptor on which the outcome is told


def main() -> None:
    """Serve until the caller has gone; run by its command line only."""
    _preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended forks leave no zombie
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's, which passes it on
    with socket.socket(fileno=os.dup(0)) as connection:
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        while True:
            order, fds = _receive(connection)
            if not order:
                return
            if os.fork() == 0:
                connection.close()
                _become(json.loads(order), fds)
            for fd in fds:
                os.close(fd)


def _preload() -> None:
    """Load what most commands need, once for all."""
    import plugrun.cli.commands
    import plugrun.cli.verbs.exec
    import plugrun.cli.verbs.run
    import plugrun.engine.create
    import plugrun.engine.engine
    import plugrun.engine.run
    import plugrun.engine.supervise
    import plugrun.engine.watching
    import plugrun.monitor.end
    import plugrun.store.metadata  # noqa: F401


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    fds = array.array("i")
    room = socket.CMSG_SPACE(_FDS * fds.itemsize)
    data, ancillary, _, _ = connection.recvmsg(MOST, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def _become(order: dict[str, Any], fds: list[int]) -> NoReturn:
    """Be the command, in the forked process."""
    code = 1
    try:
        for number, fd in enumerate(fds[:3]):
            os.dup2(fd, number)
            os.close(fd)
        told = fds[3]
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(order["env"])
        argv = [f"--cid-fd={told}" if word == TOLD else word for word in order["argv"]]
        outcome = _outcome(argv, order["cwd"], told)
        code = outcome["code"]
        _tell(told, outcome)
    finally:
        os._exit(code)


def _tell(fd: int, message: dict[str, Any]) -> None:
    os.write(fd, json.dumps(message).encode() + b"\n")


def _outcome(argv: list[str], cwd: str, told: int) -> dict[str, Any]:
    """Run one command line; return its code, and the error that ended it if one did."""
    try:
        _tell(told, {"pid": os.getpid()})  # from here on it may be interrupted
        os.chdir(cwd)
        found = parse(ROOT, argv)
        code = dispatch(global_options(found.values, os.environ), found.args, _refuse)
        output.flush()
    except KeyboardInterrupt:
        return {"code": failure.INTERRUPTED}
    except (FlagError, ArgumentCount) as error:
        return _failed("UsageError", error.message, "", error.exit_code)
    except Exception as error:  # noqa: BLE001  (told to the caller, which raises it)
        known = failure.machine_error(error) or error if isinstance(error, OSError) else error
        if isinstance(known, PlugrunError):
            return _failed(type(known).__name__, known.message, known.hint, known.exit_code)
        return _failed("", f"{type(error).__name__}: {error}", "", 1)
    return {"code": code}


def _refuse(error: FlagError | ArgumentCount, table: Command, path: str) -> int:
    import difflib

    hint = f"keyword arguments are the options that plugrun {path} --help names"
    unknown = error.message.removeprefix("unknown flag: --")
    known = [option.dest for option in table.every if not option.hidden]
    like = difflib.get_close_matches(unknown.replace("-", "_"), known, 1)
    if like and unknown != error.message:
        hint = f"did you mean {like[0]}=? {hint}"
    raise UsageError(f"plugrun {path}: {error.message}", hint=hint)


def _failed(kind: str, message: str, hint: str, code: int) -> dict[str, Any]:
    # Docker's words for some have in them what a command line puts before.
    told = message.removeprefix("Error: ")
    return {"error": kind, "message": told, "hint": hint, "code": code}


if __name__ == "__main__":
    sys.exit("this is no command")
