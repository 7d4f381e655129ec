"""What containers do: files, and output."""

import os
import shlex
import shutil
import tempfile
import time

from peers import builtin_runtimes
from place import BIG, DATA, HERE, TINY
from runtimes import DockerLike
from timing import Fail, sh, sync, timed

from work.workload import W


class Io(W):
    name = cap = "io"
    reps = 4

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(BIG)
        else:
            r = f"{DATA}/bigroot"
            if not os.path.isdir(r + "/data"):
                dk = next(x for x in builtin_runtimes()[0] if x.name == "docker")
                dk.ensure(BIG)
                c = dk.call("create", BIG, "true").strip()
                os.makedirs(r, exist_ok=True)
                unpack = f"{shlex.join(dk.c('export', c))} | tar -x --exclude=dev/* -C {r}"
                sh(["sh", "-c", unpack], dk.env)
                dk.call("rm", c)
                os.makedirs(r + "/mnt", exist_ok=True)
        m = f"{DATA}/mnt"
        os.makedirs(m, exist_ok=True)
        shutil.copy2(HERE + "/iotest.sh", m + "/iotest.sh")
        if not os.path.exists(m + "/files.tar"):
            os.link(DATA + "/files.tar", m + "/files.tar")
        return {}

    def once(self, rt, ctx, i):
        if getattr(rt, "div", 1) > 1 and i % 2:
            return {}
        sync()
        m = f"{DATA}/mnt"
        if isinstance(rt, DockerLike):
            options = ("--rm", "--network", "none", "-v", f"{m}:/mnt:ro")
            o = rt.call("run", *options, BIG, "sh", "/mnt/iotest.sh")
        else:
            box = [*bare_root(f"{DATA}/bigroot"), "--ro-bind", m, "/mnt", "--unshare-pid"]
            o = sh([*box, "--die-with-parent", "sh", "/mnt/iotest.sh", "cp"])
        pairs = [line.split() for line in o.splitlines()]
        return {pair[0]: int(pair[1]) / 1e9 for pair in pairs if len(pair) == 2}


def bare_root(path):
    return ["bwrap", "--bind", path, "/", "--proc", "/proc", "--dev", "/dev"]


LINE = "0123456789abcdef" * 7 + "1234567"  # 119 characters + newline


class Log(W):
    name = cap = "log"
    reps = 2
    LONG, SHORT = 200 << 20, 4 << 20
    units = {
        **dict.fromkeys(("write_long", "read_long", "attach_long"), "MB/s"),
        **dict.fromkeys(("write_short", "read_short"), "MB/s"),
        **dict.fromkeys(("log_bytes_missing_long", "log_bytes_missing_short"), ""),
    }

    def cmd(self, short):
        text, size = ("y", self.SHORT) if short else (LINE, self.LONG)
        return ["sh", "-c", f"yes {text} | head -c {size}"]

    def setup(self, rt):
        if isinstance(rt, DockerLike):
            rt.ensure(TINY)
        return {}

    def once(self, rt, ctx, i):
        r = {}
        for s, k in ((False, "long"), (True, "short")):
            n = (self.SHORT if s else self.LONG) / 1e6
            if not isinstance(rt, DockerLike):
                with open(f"{DATA}/log.tmp", "wb") as f:
                    argv = [*bare_root(f"{DATA}/tinyroot"), *self.cmd(s)]
                    r["write_" + k] = n / timed(argv, stdout=f.fileno())
                os.unlink(f.name)
                continue
            c = f"bg{os.getpid()}x{i}{k}"
            try:
                t = time.perf_counter()
                rt.call("run", "-d", "--name", c, "--network", "none", TINY, *self.cmd(s))
                rc = rt.call("wait", c, timeout=300).strip()
                r["write_" + k] = n / (time.perf_counter() - t)
                if rc != "0":
                    raise Fail("container exit " + rc)
                r["read_" + k] = n / rt.t("logs", c)
                if i == 0:
                    with tempfile.TemporaryFile(dir=DATA) as f:
                        sh(rt.c("logs", c), rt.env, out=f)
                        got = f.seek(0, 2)
                    if got != n * 1e6:
                        r["log_bytes_missing_" + k] = n * 1e6 - got
            finally:
                rt.call("rm", "-f", c, check=False)
        if isinstance(rt, DockerLike):
            r["attach_long"] = (
                self.LONG / 1e6 / rt.t("run", "--rm", "--network", "none", TINY, *self.cmd(False))
            )
        return r
