"""Where all of it lies: the state directory, the runtimes' commands, the registry's images."""

import os
import shutil

HERE = os.path.dirname(os.path.realpath(__file__))
STATE = os.path.abspath(
    os.environ.get("BENCH_STATE")
    or os.path.join(os.environ.get("TMPDIR") or "/tmp", "plugrun-bench")
)
DATA = STATE + "/data"
NETNS = os.environ.get("BENCH_NETNS", "/run/netns/plugrun-bench")
os.environ["BENCH_STATE"] = STATE
os.environ["PATH"] += ":/usr/sbin:/sbin"


def tool(name):
    return shutil.which(name) or name


DOCKER = tool(os.environ.get("BENCH_DOCKER") or "docker")
PODMAN, RUNC = tool("podman"), tool("runc")
REG = "127.0.0.1:5000"
TINY, BIG, BIG2 = f"{REG}/tiny:1", f"{REG}/big:1", f"{REG}/big:2"
PY = "/usr/bin/python3"
