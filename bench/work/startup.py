"""Start-up of trivial commands and of interpreters."""

import shutil

from peers import builtin_runtimes
from place import DOCKER, PODMAN, PY, RUNC
from timing import timed

from work.workload import W


class Cli(W):
    name = "cli"
    cap = "cli"
    reps = 20

    def applies(self, rt):
        return rt.name == "docker" or ("cli" in rt.caps and rt.name not in ("podman",))

    def setup(self, rt):
        L = {}
        if rt.name == "docker":
            pe = next(x for x in builtin_runtimes()[0] if x.name == "podman").env
            L = {
                "docker --version": ([DOCKER, "--version"], rt.env),
                "docker version (asks dockerd)": (
                    [DOCKER, "version", "--format", "{{.Server.Version}}"],
                    rt.env,
                ),
                "docker info": ([DOCKER, "info"], rt.env),
                "podman --version": ([PODMAN, "--version"], pe),
                "podman version": ([PODMAN, "version"], pe),
                "podman info": ([PODMAN, "info"], pe),
                "runc --version": ([RUNC, "--version"], None),
                "crun --version": (["/usr/bin/crun", "--version"], None),
                "python3 -c pass": ([PY, "-c", "pass"], None),
                "python3 -I -S -E -c pass": ([PY, "-I", "-S", "-E", "-c", "pass"], None),
                "python3 -I -S -E + json,os,argparse,subprocess": (
                    [PY, "-I", "-S", "-E", "-c", "import json,os,argparse,subprocess"],
                    None,
                ),
                "python3 -I -S -E + ctypes": ([PY, "-I", "-S", "-E", "-c", "import ctypes"], None),
                "/bin/true": (["/bin/true"], None),
                "sh -c true": (["/bin/sh", "-c", "true"], None),
            }
        else:
            L = {
                f"{rt.name} --version": (rt.c("--version"), rt.env),
                f"{rt.name} version": (rt.c("version"), rt.env),
            }
        return {"L": {k: v for k, v in L.items() if shutil.which(v[0][0])}}

    def once(self, rt, ctx, i):
        return {k: timed(a, e) for k, (a, e) in ctx["L"].items()}
