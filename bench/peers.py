"""The runtimes that are measured without being asked for, and those that are added."""

import json
import os
import re
import shlex
import shutil
import sys

from place import DATA, DOCKER, HERE, PODMAN, PY, RUNC, STATE
from runtimes import RT, DockerLike, Oci, Simple

ROOT, SCRATCH = f"{DATA}/tinyroot", f"{DATA}/scratch"
# Commands without which one of these is left out; the others are known by their prefix.
NEEDS = {"buildah": ["buildah"], "skopeo-dir": ["skopeo"], "skopeo+umoci": ["skopeo", "umoci"]}


def builtin_runtimes():
    """those that are installed, and the names of those that are not"""
    found = [*docker_and_podman(), *starters(), *single_steps()]
    for r in found:
        r.needs = r.needs or NEEDS.get(r.name, r.prefix[:1] if hasattr(r, "prefix") else [])
    absent = [r.name for r in found if is_absent(r)]
    return [r for r in found if r.name not in absent], absent


def is_absent(rt):
    if rt.name == "floor-full" and not os.path.isdir("/sys/fs/cgroup/memory"):
        return True
    return not all(shutil.which(x) for x in rt.needs)


def docker_and_podman():
    env = {
        "DOCKER_HOST": f"unix://{STATE}/docker.sock",
        "DOCKER_CONFIG": f"{STATE}/docker-config",
        "DOCKER_BUILDKIT": "0",
    }
    yield DockerLike(
        "docker",
        [DOCKER],
        env,
        cpu_cgroups=["plugrun-bench-docker", "plugrun-bench-dockerd"],
        mem_match=f"containerd-shim.*{re.escape(STATE)}",
        daemons=[p for p in (pid_of("dockerd"), pid_of("containerd")) if p],
    )
    stores = f"{re.escape(STATE)}/podman"
    yield podman("podman", "overlay", mem_match=f"conmon.*{stores}/root/")
    caps = {"run.none", "run.bridge", "life", "par.none"}
    yield podman("podman-runc", "overlay", "--runtime", "runc", caps=caps)
    caps = {"run.none", "pull", "rmi", "mem", "io", "archive"}
    match = f"(conmon|fuse-overlayfs).*{stores}/root-fuse/"
    yield podman("podman-fuse", "fuse", caps=caps, mem_match=match)
    yield podman("podman-vfs", "vfs", caps={"run.none", "pull", "rmi", "io"}, reps_div=3)


def podman(name, storage, *options, **more):
    # podman rm -f first waits out the 10 s stop timeout; docker rm -f kills
    rmf = ("rm", "-f", "-t", "0")
    prefix = [PODMAN, *options]
    env = podman_env(storage)
    return DockerLike(name, prefix, env, rmf=rmf, cpu_cgroups=["libpod_parent"], **more)


def podman_env(storage):
    return {
        "CONTAINERS_CONF": f"{STATE}/conf/containers-{storage}.conf",
        "CONTAINERS_STORAGE_CONF": f"{STATE}/conf/storage-{storage}.conf",
        "CONTAINERS_REGISTRIES_CONF": f"{STATE}/conf/registries.conf",
    }


def pid_of(daemon):
    try:
        with open(f"{STATE}/run/{daemon}.pid") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def starters():
    """what only starts a command: OCI runtimes, sandboxes, and the floors made by hand"""
    yield Oci("runc", [RUNC])
    yield Oci("crun", [f"{STATE}/bin/crun-v1"])
    yield Simple("bwrap", ["none", "host"], bwrap)
    yield Simple("unshare+chroot", ["none", "host"], unshare_chroot)
    yield Simple("floor-min", ["none", "host"], floor())
    yield Simple("floor-full", ["none", "host"], floor("-o", "-m", "-g"))
    yield Simple("floor-mounts", ["none", "host"], floor("-o", "-m"))
    yield Simple("floor-python", ["none"], floor_python)
    yield Simple("ch-run", ["host"], lambda m, a: ["ch-run", ROOT, "--", *a], {"USER": "root"})
    yield Simple("udocker-P1", ["host"], udocker)


def bwrap(mode, args):
    apart = ["--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    apart = ["--unshare-all"] if mode == "none" else apart
    folders = ["--bind", ROOT, "/", "--proc", "/proc", "--dev", "/dev"]
    return ["bwrap", *folders, *apart, "--die-with-parent", *args]


def unshare_chroot(mode, args):
    return ["unshare", "-mpfui", *no_network(mode), "chroot", ROOT, *args]


def no_network(mode):
    return ["-n"] if mode == "none" else []


def floor(*options):
    program = f"{STATE}/bin/floor"
    return lambda mode, args: [program, *no_network(mode), *options, ROOT, SCRATCH, *args]


def floor_python(mode, args):
    program = [PY, "-I", "-S", "-E", f"{HERE}/floor.py"]
    return [*program, ROOT, SCRATCH, "/bin/" + args[0], *args[1:]]


def udocker(mode, args):
    return [f"{STATE}/udocker/run", "run", "--nobanner", "t1", "/bin/" + args[0], *args[1:]]


def single_steps():
    """what does one step of what a runtime does"""
    env = dict(podman_env("overlay"), BUILDAH_RUNTIME=f"{STATE}/bin/crun-v1")
    yield RT("buildah", {"build"}, env)
    for name in ("skopeo-dir", "curl-only", "curl|gunzip", "curl|gunzip|tar", "skopeo+umoci"):
        yield RT(name, {"pull"})
    yield RT("host-ext4", {"io"})
    yield RT("sh>file", {"log"})


def added(text):
    """a runtime given with --add NAME=COMMAND"""
    name, eq, command = text.partition("=")
    prefix = shlex.split(command.replace("{state}", STATE))
    if not (eq and name and prefix):
        sys.exit(f"--add {text}: want NAME='COMMAND'")
    program = shutil.which(prefix[0])
    if not program:
        sys.exit(f"--add {text}: no such command: {prefix[0]}")
    prefix[0] = os.path.abspath(program)
    groups = sorted({name, os.path.basename(prefix[0])})
    match = monitors_of(name, prefix[0])
    return DockerLike(name, prefix, mem_match=match, cpu_cgroups=groups)


def adapted(path):
    """the runtimes of --adapters, a JSON list of DockerLike's arguments"""
    with open(path) as file:
        listed = json.loads(file.read().replace("{state}", STATE))
    return [DockerLike(**one) for one in listed]


def monitors_of(name, command):
    """pattern for the command lines of the monitor processes of a runtime given with --add"""
    words = {name, os.path.basename(command)} - {"python", "python3", "env", "sh", "bash", "sudo"}
    return r"(^|[/ ])(" + "|".join(map(re.escape, sorted(words))) + r")(?!-bench|[A-Za-z0-9.])"
