#!/usr/bin/env python3
"""Starts side by side: starts.py [--rounds N] NAME='COMMAND'...

Runs the commands in turns and prints for each: wall time best, quartile and median, and processor
time of all its processes (cgroup v1 cpuacct; without it of those that were waited for), which
other work on the machine hardly changes. Milliseconds. Run as root the whole is given the weight
of 256 ordinary processes, so that a busy machine tells something, too.
"""

import argparse
import contextlib
import os
import shlex
import statistics
import sys
import time

ACCT, CPU = "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu"
HEAVY, USUAL = 262144, 1024


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


@contextlib.contextmanager
def weighty():
    """Be heavy, as the containers of plugrun are meanwhile."""
    own, theirs = f"{CPU}/starts-{os.getpid()}", f"{CPU}/plugrun/cpu.shares"
    if not os.access(CPU, os.W_OK) or not os.path.isfile(f"{CPU}/cpu.shares"):
        yield
        return
    os.mkdir(own)
    write(f"{own}/cpu.shares", str(HEAVY))
    write(f"{own}/tasks", "0")
    if os.path.exists(theirs):
        write(theirs, str(HEAVY))
    try:
        yield
    finally:
        if os.path.exists(theirs):
            write(theirs, str(USUAL))
        write(f"{CPU}/tasks", "0")
        os.rmdir(own)


def once(argv, group):
    """Return milliseconds passed and milliseconds of processor time."""
    if group:
        write(f"{group}/cpuacct.usage", "0")
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        if group:
            write(f"{group}/tasks", "0")
        os.execvp(argv[0], argv)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - began
    if status:
        sys.exit(f"{shlex.join(argv)}: failed")
    if not group:
        return wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3
    while read(f"{group}/tasks"):
        time.sleep(0.002)
    return wall * 1e3, int(read(f"{group}/cpuacct.usage")) / 1e6


def measure(commands, rounds):
    group = f"{ACCT}/starts-{os.getpid()}" if os.path.isfile(f"{ACCT}/cpuacct.usage") else ""
    if group:
        os.mkdir(group)
    found = {name: [] for name in commands}
    try:
        for argv in commands.values():
            once(argv, group)
            once(argv, group)
        names = list(commands)
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                found[name].append(once(commands[name], group))
    finally:
        if group:
            os.rmdir(group)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("commands", nargs="+")
    asked = parser.parse_args()
    pairs = [one.partition("=")[::2] for one in asked.commands]
    with weighty():
        found = measure({name: shlex.split(words) for name, words in pairs}, asked.rounds)
    wide = max(len(name) for name in found)
    print(
        f"{'':{wide}}    best  quart. median |  cpu: best  quart. median   ms, {asked.rounds} times"
    )
    first = None
    for name, pairs in found.items():
        wall, cpu = (sorted(values) for values in zip(*pairs, strict=True))
        cells = [*_three(wall), *_three(cpu)]
        first = first or cells
        ratio = f"   {cells[0] / first[0]:.2f} {cells[2] / first[2]:.2f} {cells[3] / first[3]:.2f}"
        print(
            f"{name:{wide}} {cells[0]:7.1f} {cells[1]:7.1f} {cells[2]:6.1f} |"
            f"    {cells[3]:7.1f} {cells[4]:7.1f} {cells[5]:6.1f}{ratio}"
        )


def _three(values):
    return values[0], values[len(values) // 4], statistics.median(values)


if __name__ == "__main__":
    main()
