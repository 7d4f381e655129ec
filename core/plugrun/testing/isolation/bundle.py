"""Bundles and containers for the contract's tests: a spec, a root, what comes out."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from plugrun.engine.fence.seccomp import default_seccomp
from plugrun.interfaces.isolation import (
    DEVICE_FENCE,
    EARLY_PID,
    EXEC,
    HOST_NETWORK,
    LIMIT_CPU,
    LIMIT_CPUSET,
    LIMIT_IO,
    LIMIT_MEMORY,
    LIMIT_PIDS,
    PAUSE,
    SHARED_MOUNTS,
    STATS,
    UPDATE,
    USER_NAMESPACES,
    Stdio,
)
from plugrun.model.mount import Mount

if TYPE_CHECKING:
    from plugrun.interfaces.isolation import Isolation, Task

WORDS = frozenset(
    (
        *(LIMIT_MEMORY, LIMIT_CPU, LIMIT_PIDS, LIMIT_CPUSET, LIMIT_IO, DEVICE_FENCE),
        *(EARLY_PID, EXEC, HOST_NETWORK, PAUSE, UPDATE, STATS, SHARED_MOUNTS, USER_NAMESPACES),
    )
)
CAPABILITIES = [
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
]
_PR_SET_CHILD_SUBREAPER = 36
# Nobody else's: two runs of the suite at once may share a parent of cgroups.
ID = secrets.token_hex(32)
_MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
]
_READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_DEVICES = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, -1))
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def default_spec(args: list[str]) -> dict[str, Any]:
    """Return a runtime spec with Docker's defaults for a root at ``rootfs`` in the bundle."""
    kept = dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES)
    kinds = ("mount", "pid", "ipc", "uts", "network", "cgroup")
    return {
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": "box",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": [_PATH],
            "cwd": "/",
            "capabilities": {**kept, "inheritable": [], "ambient": []},
        },
        "mounts": _mounts(),
        "linux": {
            "namespaces": [{"type": kind} for kind in kinds],
            "resources": {"devices": _device_rules()},
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READONLY),
            "seccomp": default_seccomp(frozenset(CAPABILITIES)),
        },
    }


def _mounts() -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    rows = (
        ("/proc", "proc", quiet),
        ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", terminals),
        ("/sys", "sysfs", [*quiet, "ro"]),
        ("/sys/fs/cgroup", "cgroup", [*quiet, "ro"]),
        ("/dev/mqueue", "mqueue", quiet),
        ("/dev/shm", "tmpfs", [*quiet, "mode=1777", "size=67108864"]),
    )
    return [
        {"destination": path, "type": kind, "source": kind, "options": list(options)}
        for path, kind, options in rows
    ]


def _device_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    rules += [{"allow": True, "type": kind, "access": "m"} for kind in "cb"]
    for major, minor in _DEVICES:
        rule = {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        rules.append(rule)
    return rules


def make_rootfs(path: str) -> None:
    """Make a small root: busybox if it is static, else this machine's programs, bound."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "usr"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    busybox = shutil.which("busybox")
    if busybox is None or not _is_static(busybox):
        pytest.skip("no static busybox here: install busybox-static")
    shutil.copy(busybox, os.path.join(path, "bin/busybox"))
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(path, "bin", name))


def _is_static(program: str) -> bool:
    with open(program, "rb") as stream:
        return b"/ld-linux" not in stream.read(4096) and b"/ld-musl" not in stream.read(4096)


def syscall_program(number: int) -> bytes:
    """Return a static ELF program that makes a system call with zeros and exits with its errno."""
    low = number.to_bytes(4, "little")
    machine = os.uname().machine
    if machine == "x86_64":
        # mov eax, number; xor edi, esi, edx; syscall; neg eax; mov edi, eax; exit_group
        code = b"\xb8" + low + bytes.fromhex("31ff31f631d20f05f7d889c7b8e70000000f05")
        kind = 62
    else:
        # mov x8, number; x0 = x1 = x2 = 0; svc; neg w0, w0; exit_group
        move = (0xD2800008 | number << 5).to_bytes(4, "little")
        code = move + bytes.fromhex("000080d2010080d2020080d2010000d4e003004bc80b80d2010000d4")
        kind = 183
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + _words(2, (2, kind)) + _words(4, (1,))
    head += _words(8, (0x400078, 64, 0)) + _words(4, (0,)) + _words(2, (64, 56, 1, 0, 0, 0))
    size = 120 + len(code)
    return head + _words(4, (1, 5)) + _words(8, (0, 0x400000, 0x400000, size, size, 4096)) + code


def _words(width: int, values: tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(width, "little") for value in values)


class Bundle:
    """A bundle on disk, and containers made of it."""

    def __init__(self, isolation: Isolation, path: str) -> None:
        self.isolation = isolation
        self.path = path
        self.root = os.path.join(path, "rootfs")
        self.mounts: tuple[Mount, ...] = ()
        self.made: dict[str, int] = {}

    def write(self, spec: dict[str, Any]) -> None:
        """Write config.json."""
        with open(os.path.join(self.path, "config.json"), "w", encoding="utf-8") as stream:
            json.dump(spec, stream)

    def create(self, spec: dict[str, Any], id: str = ID) -> tuple[Task, int]:
        """Create a container; return its task and the reading end of its output."""
        self.write(spec)
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            stdio = Stdio(null, writer, writer)
            task = self.isolation.create(id, self.path, stdio, self.mounts)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            os.close(null)
        self.made[id] = task.pid
        return task, reader

    def launch(self, spec: dict[str, Any], id: str = ID) -> tuple[Task, int]:
        """Create and start."""
        task, reader = self.create(spec, id)
        try:
            self.isolation.start(id)
        except BaseException:
            os.close(reader)
            raise
        return task, reader

    def run(self, spec: dict[str, Any], id: str = ID) -> tuple[int, str]:
        """Run to the end; return exit code (128 + signal) and output."""
        task, reader = self.launch(spec, id)
        output = read_all(reader)
        code = reap(task.pid)
        self.isolation.delete(id)
        del self.made[id]
        return code, output

    def shell(self, script: str, **changes: Any) -> tuple[int, str]:
        """Run a script under the default spec; ``changes`` go into ``process``."""
        spec = default_spec(["sh", "-c", script])
        spec["process"].update(changes)
        return self.run(spec)

    def close(self) -> None:
        """Remove what a failed test left."""
        # The last first: it may live in the PID namespace of one before it.
        for id, pid in reversed(self.made.items()):
            if id in self.isolation.tasks():
                self.isolation.delete(id, force=True)
            reap(pid)


def read_all(fd: int) -> str:
    """Read a descriptor to its end, and close it."""
    with open(fd, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def reap(pid: int) -> int:
    """Return a child's exit code (128 + signal); -1 if somebody else has it."""
    try:
        status = os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return -1
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
