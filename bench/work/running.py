"""`run --rm` of a command that ends at once: wall time, and processor time of all it takes."""

import os

from cputime import HAVE_ACCT, acct_timed
from place import TINY
from runtimes import DockerLike
from timing import client_cpu, timed

from work.workload import W


class Run(W):
    reps = 15

    def __init__(self, mode):
        self.mode = mode
        self.name = self.cap = "run." + mode

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        timed(rt.run(self.mode, ["true"]), rt.env)
        return {}

    def once(self, rt, ctx, i):
        if getattr(rt, "div", 1) > 1 and i % rt.div:
            return {}
        t = timed(rt.run(self.mode, ["true"]), rt.env)
        return {"run_rm_true": t, "client_cpu": client_cpu()}


class Cpu(W):
    """CPU seconds per operation, the whole of it: client, daemons, shims, payload"""

    name = "cpu"
    cap = "run.none"
    reps = 5

    def applies(self, rt):
        return HAVE_ACCT and super().applies(rt)

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        else:
            return {}
        n = f"bc{os.getpid()}{rt.name}"
        if "life" in rt.caps:
            rt.call("run", "-d", "--name", n, "--network", "none", TINY, "sleep", "100000")
        return {"n": n}

    def once(self, rt, ctx, i):
        if getattr(rt, "div", 1) > 1 and i % rt.div:
            return {}
        r = {"run_rm_none_cpu": acct_timed(rt, rt.run("none", ["true"]), 2)[1]}
        if "run.bridge" in rt.caps:
            r["run_rm_bridge_cpu"] = acct_timed(rt, rt.run("bridge", ["true"]))[1]
        if isinstance(rt, DockerLike) and "life" in rt.caps:
            r["exec_cpu"] = acct_timed(rt, rt.c("exec", ctx["n"], "true"), 2)[1]
            r["ps_cpu"] = acct_timed(rt, rt.c("ps", "-a"), 2)[1]
        return r

    def teardown(self, rt, ctx):
        if "n" in ctx:
            rt.call(*rt.rmf, ctx["n"], check=False)
