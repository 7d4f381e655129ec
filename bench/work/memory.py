"""What an idle container takes: memory of monitors, and growth of daemons."""

import contextlib
import os
import re
import subprocess
import time

from place import TINY
from runtimes import DockerLike, Oci
from timing import sh, timed

from work.workload import W


def pss(pid):
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def matching(rx):
    r = {}
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                with open(f"/proc/{p}/cmdline", "rb") as file:
                    c = file.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if int(p) != os.getpid() and re.search(rx, c):
                r[int(p)] = c
    return r


class Mem(W):
    name = cap = "mem"
    reps = 3
    N = 20
    units = {
        "monitors_per_ctr": "KiB",
        "daemon_growth_per_ctr": "KiB",
        "total_per_ctr": "KiB",
        "daemon_base": "KiB",
        "procs_per_ctr": "",
    }

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        else:
            rt.bundle("none", ["sleep", "100000"])
        return {}

    def once(self, rt, ctx, i):
        names = [f"bm{os.getpid()}x{i}x{k}" for k in range(self.N)]
        rx = rt.mem_match
        base = sum(pss(p) for p in rt.daemons)
        before = set(matching(rx)) if rx else set()
        try:
            for n in names:
                if isinstance(rt, Oci):
                    bundle = rt.bundle("none", ["sleep", "100000"])
                    timed(rt.c("run", "-d", "--bundle", bundle, n), rt.env)
                else:
                    run = ("run", "-d", "--name", n, "--network", "none", TINY)
                    rt.call(*run, "sleep", "100000", out=subprocess.DEVNULL)
            time.sleep(2)
            new = {p: c for p, c in matching(rx).items() if p not in before} if rx else {}
            mon = sum(pss(p) for p in new)
            grow = sum(pss(p) for p in rt.daemons) - base
            return {
                "monitors_per_ctr": mon / self.N,
                "daemon_growth_per_ctr": grow / self.N,
                "total_per_ctr": (mon + max(0, grow)) / self.N,
                "daemon_base": base,
                "procs_per_ctr": len(new) / self.N,
            }
        finally:
            if isinstance(rt, Oci):
                for n in names:
                    sh(rt.c("delete", "-f", n), rt.env, check=False)
            else:
                rt.call(*rt.rmf, *names, check=False)
