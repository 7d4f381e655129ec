"""CPU of an operation, daemons and shims included: cpuacct (v1), whatever else the machine does."""

import contextlib
import os
import re
import time

from timing import timed

ACCT = "/sys/fs/cgroup/cpuacct"
HAVE_ACCT = os.path.isdir(ACCT)


def acct_usage(paths):
    t = 0
    for p in paths:
        with contextlib.suppress(OSError), open(f"{ACCT}/{p}/cpuacct.usage") as file:
            t += int(file.read())
    return t / 1e9


def acct_paths(rt):
    if not HAVE_ACCT:
        return []
    own = "plugrun-bench-cpu-" + re.sub("[^a-z0-9]", "_", rt.name)
    os.makedirs(f"{ACCT}/{own}", exist_ok=True)
    if rt.name == "docker":
        os.makedirs(f"{ACCT}/plugrun-bench-dockerd", exist_ok=True)
        for p in rt.daemons:
            move(p, "plugrun-bench-dockerd")
    else:
        for p in getattr(rt, "daemons", ()):
            move(p, own)
    return [own, *getattr(rt, "cpu_cgroups", ())]


def move(pid, group):
    with open(f"{ACCT}/{group}/cgroup.procs", "w") as file:
        file.write(str(pid))


def acct_argv(paths, argv):
    if not paths:
        return argv
    enter = f'echo $$ > {ACCT}/{paths[0]}/cgroup.procs; exec "$@"'
    return ["/bin/sh", "-c", enter, "sh", *argv]


def acct_timed(rt, argv, n=1, settle=0.4):
    """(wall, cpu) seconds per run of argv"""
    ps = acct_paths(rt)
    time.sleep(settle)
    u = acct_usage(ps)
    w = [timed(acct_argv(ps, argv), rt.env) for _ in range(n)]
    time.sleep(settle)
    return sum(w) / n, (acct_usage(ps) - u) / n if ps else None


def remove_groups():
    """Remove the groups that were made for runtimes."""
    for name in os.listdir(ACCT) if HAVE_ACCT else ():
        if name.startswith("plugrun-bench-cpu-"):
            with contextlib.suppress(OSError):
                os.rmdir(f"{ACCT}/{name}")
