"""The machine that is measured on: its load, the weight of what is measured, groups for floors."""

import contextlib
import ctypes
import os
import sys
import time

from place import NETNS

CGROUPS = "/sys/fs/cgroup"
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
FLOOR = "plugrun-bench-floor"
CPUCG = ["plugrun-bench-bench", "plugrun-bench-docker", "libpod_parent"]
_CLONE_NEWNET = 0x40000000


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def enter_network():
    """be in the network namespace that the registry and the daemons are in, if there is one"""
    if not os.path.exists(NETNS):
        return
    fd = os.open(NETNS, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
        sys.exit("setns failed")
    os.close(fd)


def cpu_times():
    fields = [int(word) for word in read("/proc/stat").partition("\n")[0].split()[1:]]
    return sum(fields), fields[3] + fields[4]


def quiet(limit, idle=0.5):
    """wait until the machine is at least half idle over 150 ms, at most limit seconds

    Other load comes and goes. Return whether it came to that.
    """
    end = time.time() + limit
    while limit > 0 and time.time() < end:
        a = cpu_times()
        time.sleep(0.15)
        b = cpu_times()
        if b[1] - a[1] >= idle * (b[0] - a[0]):
            return True
    return False


def shares(n, rts, end=False):
    """weight against everything else, inherited by everything we start

    nice does not do: it ends at each setsid while sched_autogroup is on, and conmon calls setsid,
    so podman would be worse off than docker.
    """
    c = f"{CGROUPS}/cpu"
    for d in CPUCG:
        os.makedirs(f"{c}/{d}", exist_ok=True)
        write(f"{c}/{d}/cpu.shares", str(n))
    for p in {os.getpid(), *(p for r in rts for p in getattr(r, "daemons", ()))}:
        with contextlib.suppress(OSError):
            write(f"{c}/{'' if end else 'plugrun-bench-bench/'}cgroup.procs", str(p))


def make_floor_groups():
    """the groups that floor-full joins"""
    for c in CONTROLLERS:
        if os.path.isdir(f"{CGROUPS}/{c}"):
            os.makedirs(f"{CGROUPS}/{c}/{FLOOR}", exist_ok=True)
    with contextlib.suppress(OSError):
        for f in ("cpuset.cpus", "cpuset.mems"):
            write(f"{CGROUPS}/cpuset/{FLOOR}/{f}", read(f"{CGROUPS}/cpuset/{f}"))
        write(f"{CGROUPS}/cpuset/{FLOOR}/cgroup.clone_children", "1")


def remove_floor_groups():
    for c in CONTROLLERS:
        with contextlib.suppress(OSError):
            os.rmdir(f"{CGROUPS}/{c}/{FLOOR}")
