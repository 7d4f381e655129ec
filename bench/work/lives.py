"""A container's life verb by verb, listings with many of them, and many starts at once."""

import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from place import DATA, TINY
from runtimes import DockerLike, Oci
from timing import NULL, Fail, reap, sh, timed

from work.workload import W

TRAP = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"]


class Life(W):
    name = cap = "life"
    reps = 8

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        else:
            rt.bundle("none", TRAP)
        return {}

    def once(self, rt, ctx, i):
        n = f"bl{os.getpid()}x{i}"
        r = {}
        if isinstance(rt, Oci):
            r["run_d"] = timed(rt.c("run", "-d", "--bundle", rt.bundle("none", TRAP), n), rt.env)
            try:
                r["exec_true"] = [timed(rt.c("exec", n, "true"), rt.env) for _ in range(3)]
                time.sleep(0.1)

                def stop():
                    sh(rt.c("kill", n, "TERM"), rt.env)
                    for _ in range(2000):
                        if json.loads(sh(rt.c("state", n), rt.env))["status"] == "stopped":
                            return

                t = time.perf_counter()
                stop()
                r["stop"] = time.perf_counter() - t
                r["rm"] = timed(rt.c("delete", n), rt.env)
            finally:
                sh(rt.c("delete", "-f", n), rt.env, check=False)
            return r
        try:
            r["run_d"] = rt.t("run", "-d", "--name", n, "--network", "none", TINY, *TRAP)
            r["exec_true"] = [rt.t("exec", n, "true") for _ in range(3)]
            r["inspect"] = rt.t("inspect", n)
            r["ps"] = rt.t("ps")
            r["stop"] = rt.t("stop", "-t", "5", n)
            r["rm"] = rt.t("rm", n)
            r["create"] = rt.t("create", "--name", n + "c", "--network", "none", TINY, *TRAP)
            r["start"] = rt.t("start", n + "c")
            r["kill"] = rt.t("kill", n + "c")
            rt.call("wait", n + "c", check=False)
            r["rm"] = [r["rm"], rt.t("rm", "-f", n + "c")]
            rt.call("run", "-d", "--name", n + "f", "--network", "none", TINY, *TRAP)
            r["rm_f_running"] = rt.t(*rt.rmf, n + "f")
        finally:
            for s in ("", "c", "f"):
                rt.call(*rt.rmf, n + s, check=False)
        return r


class Ps(W):
    name = cap = "ps"
    reps = 10
    N = 100

    def setup(self, rt):
        rt.ensure(TINY)
        names = [f"bp{os.getpid()}{rt.name}{i}" for i in range(self.N)]
        run = ("run", "-d", "--name")
        with ThreadPoolExecutor(4) as ex:
            list(ex.map(lambda n: rt.call(*run, n, *rt.net("none"), TINY, "true"), names))
        time.sleep(1)
        return {"names": names}

    def once(self, rt, ctx, i):
        return {
            "ps_a_100": rt.t("ps", "-a"),
            "ps_aq_100": rt.t("ps", "-aq"),
            "images": rt.t("images"),
            "run_rm_true_with_100": rt.t("run", "--rm", "--network", "none", TINY, "true"),
        }

    def teardown(self, rt, ctx):
        if ctx.get("names"):
            rt.call(*rt.rmf, *ctx["names"])


class Par(W):
    reps = 3
    N = 50

    def __init__(self, mode):
        self.mode = mode
        self.name = self.cap = "par." + mode
        self.units = {"starts_per_s": "/s"}

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        else:
            rt.bundle("none", ["sleep", "100000"])
        return {}

    def once(self, rt, ctx, i):
        names = [f"bq{os.getpid()}x{i}x{k}" for k in range(self.N)]

        def argv(n):
            if isinstance(rt, Oci):
                bundle = rt.bundle("none", ["sleep", "100000"])
                return rt.c("run", "-d", "--bundle", bundle, n)
            return rt.c("run", "-d", "--name", n, *rt.net(self.mode), TINY, "sleep", "100000")

        try:
            with tempfile.TemporaryFile() as errf:
                more = {"stdin": NULL, "stdout": NULL, "stderr": errf, "close_fds": False}
                t = time.perf_counter()
                ps = [subprocess.Popen(argv(n), env=rt.env, **more) for n in names]
                rcs = [reap(p, 300) for p in ps]
                t = time.perf_counter() - t
                bad = sum(1 for r in rcs if r)
                if bad:
                    errf.seek(0)
                    said = errf.read().decode(errors="replace").strip()[-300:]
                    codes = sorted(set(rcs))
                    raise Fail(f"{bad} of {self.N} starts failed, exit codes {codes}: {said}")
            t2 = self.remove(rt, names)
            return {"start_50": t, "starts_per_s": self.N / t, "rm_f_50": t2}
        finally:
            if isinstance(rt, Oci):
                for n in names:
                    if os.path.isdir(f"{DATA}/state-{rt.name}/{n}"):
                        sh(rt.c("delete", "-f", n), rt.env, check=False)
            else:
                rt.call(*rt.rmf, *names, check=False)

    def remove(self, rt, names):
        """seconds of a removal of all: one command, or one for each where there is none for many"""
        if not isinstance(rt, Oci):
            return rt.t(*rt.rmf, *names)
        more = {"stdin": NULL, "stdout": NULL, "stderr": NULL}
        t = time.perf_counter()
        ps = [subprocess.Popen(rt.c("delete", "-f", n), env=rt.env, **more) for n in names]
        for p in ps:
            reap(p)
        return time.perf_counter() - t
