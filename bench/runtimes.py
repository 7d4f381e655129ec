"""Docker-like commands, OCI runtimes on a bundle, and what only starts a command."""

import functools
import json
import os
import re

from place import DATA, RUNC, TINY
from timing import Fail, sh, timed


class RT:
    name = "?"
    caps = frozenset()
    env = None
    needs = ()  # needs: commands without which this runtime is left out

    def __init__(self, name, caps, env=None):
        self.name, self.caps, self.env = name, frozenset(caps), dict(os.environ, **(env or {}))


class DockerLike(RT):
    """anything with docker's command line. prefix: the command and its global options."""

    def __init__(
        self,
        name,
        prefix,
        env=None,
        caps=(),
        drop=(),
        pull=("-q",),
        mem_match=None,
        daemons=(),
        build=("build", "-q"),
        save=("save", "-o"),
        rmf=("rm", "-f"),
        reps_div=1,
        cpu_cgroups=(),
    ):
        full = (
            *("run.none", "run.bridge", "run.host", "life", "ps", "par.none", "par.bridge", "mem"),
            *("pull", "rmi", "archive", "build", "io", "log", "cli"),
        )
        super().__init__(name, set(caps or full) - set(drop), env)
        self.prefix = list(prefix)
        self.pull_args = list(pull)
        self.mem_match = mem_match
        self.daemons = list(daemons)
        self.build = list(build)
        self.save = list(save)
        self.rmf = list(rmf)
        self.div = reps_div
        self.cpu_cgroups = list(cpu_cgroups)

    def c(self, *a):
        return [*self.prefix, *a]

    def net(self, mode):
        return {"none": ["--network", "none"], "host": ["--network", "host"], "bridge": []}[mode]

    def run(self, mode, args):
        return self.c("run", "--rm", *self.net(mode), TINY, *args)

    def call(self, *a, **k):
        return sh(self.c(*a), self.env, **k)

    def t(self, *a, **k):
        return timed(self.c(*a), self.env, **k)

    def ensure(self, *refs):
        for r in refs:
            try:
                self.call("image", "inspect", r)
            except Fail:
                self.call("pull", *self.pull_args, r)


class Simple(RT):
    """only starts a command: fn(mode, args) -> argv"""

    def __init__(self, name, modes, fn, env=None, caps=()):
        super().__init__(name, {"run." + m for m in modes} | set(caps), env)
        self.fn = fn
        self.needs = [fn("none", ["true"])[0]]

    def run(self, mode, args):
        return self.fn(mode, args)


class Oci(RT):
    """runc / crun on a prepared bundle: read-only plain folder as root, no storage driver"""

    def __init__(self, name, prefix):
        super().__init__(name, {"run.none", "run.host", "life", "par.none", "mem"})
        self.prefix = [*prefix, "--root", f"{DATA}/state-{name}"]
        self.n = 0
        self.mem_match = None
        self.daemons = []

    def c(self, *a):
        return [*self.prefix, *a]

    def bundle(self, mode, args):
        key = f"{mode}-{re.sub('[^a-z0-9]', '_', ' '.join(args))[:40]}"
        d = f"{DATA}/bundles/{key}"
        if not os.path.exists(d + "/config.json"):
            os.makedirs(d, exist_ok=True)
            if os.path.exists(d + "/config.json"):
                os.unlink(d + "/config.json")
            sh([RUNC, "spec", "--bundle", d])
            with open(d + "/config.json") as file:
                s = json.load(file)
            s["process"]["terminal"] = False
            s["process"]["args"] = args
            s["root"] = {"path": f"{DATA}/tinyroot", "readonly": True}
            if mode == "host":
                s["linux"]["namespaces"] = [
                    n for n in s["linux"]["namespaces"] if n["type"] != "network"
                ]
            s["linux"]["seccomp"] = seccomp_filter()
            with open(d + "/config.json", "w") as file:
                json.dump(s, file)
        return d

    def run(self, mode, args):
        self.n += 1
        return self.c("run", "--bundle", self.bundle(mode, args), f"b{os.getpid()}-{self.n}")


@functools.cache
def seccomp_filter():
    """a filter of the size docker uses, or None: the program is compiled at each start"""
    try:
        with open("/usr/share/containers/seccomp.json") as file:
            groups = json.load(file)["syscalls"]
    except OSError:
        return None
    plain = [
        g
        for g in groups
        if g["action"] == "SCMP_ACT_ALLOW" and not g.get("args") and not g.get("excludes")
    ]
    names = sorted({n for g in plain for n in g["names"]})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    }
