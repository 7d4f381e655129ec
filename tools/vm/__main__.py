"""Run a command as root in a throw-away micro-VM that sees this machine's root.

The root is read-only with a file system in memory above it: what the command changes is gone with
the machine. There is no network. Exit status: the command's, 128 and the number of the signal that
ended it, 124 after --timeout, 125 if the machine itself failed.
"""

from __future__ import annotations

import argparse
import os
import sys

from initramfs import initramfs
from kernel import fetched
from machine import Failed, run

PASSED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TERM", "VIRTUAL_ENV", "CI", "COLUMNS"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PLUGRUN_MATRIX_TESTS"),
)


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        prog="vmrun", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cgroup", choices=("v1", "v2", "hybrid"), default="v2", help="what is mounted in it")
    add("--memory", type=int, default=2048, metavar="MIB")
    add("--cpus", type=int, default=min(2, os.cpu_count() or 1))
    add("--disk", action="append", default=[], metavar="SIZE:DIR", help="an empty ext4 there")
    add("--env", action="append", default=[], metavar="NAME=VALUE")
    add("--timeout", type=float, default=900, metavar="SECONDS", help="of the command")
    add("--boot-timeout", type=float, default=120, metavar="SECONDS")
    add("--cache", default=f"{top()}/.cache/vm", metavar="DIR", help="of kernel and initramfs")
    add("--prepare", action="store_true", help="get the kernel, and end")
    add("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    chosen.command = chosen.command[chosen.command[:1] == ["--"] :]
    if not chosen.command and not chosen.prepare:
        parser.error("no command")
    return chosen


def top() -> str:
    """Return the folder of the project."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def apart() -> list[str]:
    """Return the folders that the command needs and that are on a file system of their own."""
    root = os.stat("/").st_dev
    wanted = dict.fromkeys((os.path.realpath(os.curdir), top(), sys.base_prefix))
    return [folder for folder in wanted if os.stat(folder).st_dev != root]


def environment(given: list[str]) -> dict[str, str]:
    """Return the command's environment: a little of ours, and what was given."""
    own = {name: os.environ[name] for name in PASSED if name in os.environ}
    return own | dict(item.partition("=")[::2] for item in given)


def main() -> int:
    """Do what the command line says; return the exit status."""
    chosen = options()
    try:
        if os.geteuid() != 0:
            raise Failed("only root can share the machine's root: run it with sudo")
        kernel = fetched(chosen.cache)
        initrd = initramfs(chosen.cache, kernel)
        if chosen.prepare:
            return 0
        return run(chosen, kernel, initrd, apart(), environment(chosen.env))
    except Failed as error:
        print(f"vmrun: {error}", file=sys.stderr)
        return error.status


sys.exit(main())
