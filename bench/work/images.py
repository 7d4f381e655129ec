"""Images: loaded, saved, committed, imported, built."""

import os
import shutil

from place import BIG, BIG2, DATA, TINY
from runtimes import DockerLike
from timing import sh, sync, timed

from work.workload import W


def rmi_big(rt):
    for r in (BIG2, BIG, "localhost/com:1", "localhost/imp:1"):
        rt.call("rmi", "-f", r, check=False)


class Archive(W):
    name = cap = "archive"
    reps = 3

    def setup(self, rt):
        rt.ensure(BIG)
        c = f"ba{os.getpid()}{rt.name}"
        change = (
            "for i in $(seq 200); do echo $i > /srv/f$i; done; echo x >> /data/big.bin; "
            "rm -rf /srv/app/node_modules/rxjs"
        )
        rt.call("run", "--name", c, "--network", "none", BIG, "sh", "-c", change)
        return {"c": c, "d": f"{DATA}/arch-{rt.name}"}

    def once(self, rt, ctx, i):
        d, c, r = ctx["d"], ctx["c"], {}
        shutil.rmtree(d, ignore_errors=True)
        os.makedirs(d)
        sync()
        r["save"] = rt.t(*rt.save, d + "/s.tar", BIG)
        r["export"] = rt.t("export", "-o", d + "/e.tar", c)
        sync()
        r["commit_64M_copyup"] = rt.t("commit", c, "localhost/com:1")
        rt.call("rmi", "-f", "localhost/com:1")
        sync()
        r["import"] = rt.t("import", d + "/e.tar", "localhost/imp:1")
        rt.call("rmi", "-f", "localhost/imp:1")
        return r

    def teardown(self, rt, ctx):
        try:
            if ctx.get("c"):
                rt.call("rm", "-f", ctx["c"])
        finally:
            shutil.rmtree(ctx.get("d", "/nonexistent"), ignore_errors=True)


class Load(W):
    """separate from Archive: needs no container on top of the image"""

    name = "load"
    cap = "archive"
    reps = 3

    def setup(self, rt):
        rt.ensure(BIG)
        f = f"{DATA}/load-{rt.name}.tar"
        rt.call(*rt.save, f, BIG)
        return {"f": f}

    def once(self, rt, ctx, i):
        rmi_big(rt)
        sync()
        return {"load": rt.t("load", "-i", ctx["f"])}

    def teardown(self, rt, ctx):
        if "f" in ctx and os.path.exists(ctx["f"]):
            os.unlink(ctx["f"])
        rt.ensure(BIG)


DOCKERFILE = f"""FROM {TINY}
ENV X=1
RUN mkdir -p /app && echo a > /app/a
COPY src /app/src
RUN find /app/src -type f | wc -l > /app/count
RUN dd if=/dev/urandom of=/app/rand bs=1M count=4
COPY conf /etc/app/conf
CMD ["cat","/app/count"]
"""


class Build(W):
    name = cap = "build"
    reps = 3

    def ctxdir(self):
        d = f"{DATA}/ctx"
        if not os.path.isdir(d):
            os.makedirs(d + "/src")
            files = {f"src/f{k:03d}.txt": f"line {k}\n" * 1000 for k in range(200)}
            files |= {"conf": "a=1\n", "Dockerfile": DOCKERFILE}
            for name, text in files.items():
                with open(f"{d}/{name}", "w") as file:
                    file.write(text)
        return d

    def argv(self, rt, *x):
        if rt.name == "buildah":
            command, name = ["buildah", "build", "-q", "--layers"], "localhost/b-buildah:1"
        else:
            command, name = rt.c(*rt.build), "localhost/b:1"
        return [*command, *x, "-t", name, self.ctxdir()]

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        self.ctxdir()
        return {}

    def rmi(self, rt):
        if isinstance(rt, DockerLike):
            rt.call("rmi", "-f", "localhost/b:1", check=False)
        if rt.name == "buildah":
            sh(["buildah", "rmi", "-f", "localhost/b-buildah:1"], rt.env, check=False)

    def once(self, rt, ctx, i):
        self.rmi(rt)
        a = timed(self.argv(rt, "--no-cache"), rt.env)
        return {"build_cold": a, "build_cached": [timed(self.argv(rt), rt.env) for _ in range(3)]}

    def teardown(self, rt, ctx):
        self.rmi(rt)
