"""The machine's first process: mounts what a Linux system has, runs one command, tells its end.

It runs inside the machine by that machine's own Python. Three virtio ports lead to vmrun: `control`
has lines of JSON, down the order, up {"ready": true} and {"status": N}; `out` and `err` are the
command's streams. It has no input.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 1, 2, 4, 8, 4096
KERNELS = MS_NOSUID | MS_NODEV | MS_NOEXEC
RB_AUTOBOOT = 0x01234567  # reboot(2); qemu was told to end then
BUSYBOX = "/run/vmrun/busybox"
CGROUPS = "/sys/fs/cgroup"
OWN_GROUP = "vmrun"


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system, on a folder that is made if it is missing."""
    os.makedirs(target, exist_ok=True)
    words = [word.encode() for word in (source, target, kind)]
    if LIBC.mount(*words, flags, data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} {source}: {os.strerror(number)}", target)


def write(path: str, text: str) -> None:
    """Write a file of the kernel's in one go."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def busybox(*words: str) -> None:
    """Run one of its programs."""
    os.spawnv(os.P_WAIT, BUSYBOX, ["busybox", *words])


def ports() -> dict[str, str]:
    """Return the device of each port by its name."""
    found = {}
    for device in os.listdir("/sys/class/virtio-ports"):
        with open(f"/sys/class/virtio-ports/{device}/name", encoding="ascii") as file:
            found[file.read().strip()] = f"/dev/{device}"
    return found


def read_order(control: int) -> dict:
    """Read the line that says what to do."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(control, 65536)
    return json.loads(line)


def furnish(order: dict) -> None:
    """Mount and make what programs expect of a Linux system."""
    modules = f"/lib/modules/{order['version']}"
    mount(order["modules"], modules, "", MS_BIND)
    write("/proc/sys/kernel/modprobe", "/run/vmrun/modprobe")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=620,gid=5")
    mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV)
    mount("mqueue", "/dev/mqueue", "mqueue")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")
    make_nodes(f"{modules}/modules.devname")
    busybox("modprobe", "loop")
    busybox("ip", "link", "set", "lo", "up")
    busybox("hostname", "vmrun")
    for tag, folder in order["shares"].items():
        mount(tag, folder, "virtiofs", MS_RDONLY)
    for number, folder in enumerate(order["disks"]):
        mount(f"/dev/vd{'abcdefgh'[number]}", folder, "ext4")
        os.chmod(folder, 0o1777)


def make_nodes(listed: str) -> None:
    """Make the nodes whose first opening loads a module: fuse, loop-control, net/tun."""
    with open(listed, encoding="ascii") as file:
        for line in file:
            if line.startswith("#"):
                continue
            _, name, numbers = line.split()
            path = f"/dev/{name}"
            kind = {"c": 0o020600, "b": 0o060600}[numbers[0]]
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.mknod(path, kind, os.makedev(*map(int, numbers[1:].split(":"))))


def mount_cgroups(which: str) -> list[str]:
    """Mount the hierarchies; return the groups that the command is to be in."""
    if which == "v2":
        return [mount_unified(CGROUPS)]
    mount("tmpfs", CGROUPS, "tmpfs", KERNELS, "mode=755")
    with open("/proc/cgroups", encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    unified = ("hugetlb",) if which == "hybrid" else ()
    names = [row[0] for row in rows if row[3] == "1" and row[0] not in unified]
    for name in names:
        mount("cgroup", f"{CGROUPS}/{name}", "cgroup", KERNELS, name)
    mount("cgroup", f"{CGROUPS}/systemd", "cgroup", KERNELS, "none,name=systemd")
    return [mount_unified(f"{CGROUPS}/unified")] if unified else []


def mount_unified(folder: str) -> str:
    """Mount cgroup v2 with all its controllers handed down, as systemd does."""
    mount("cgroup2", folder, "cgroup2", KERNELS, "nsdelegate,memory_recursiveprot")
    with open(f"{folder}/cgroup.controllers", encoding="ascii") as file:
        controllers = file.read().split()
    write(f"{folder}/cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))
    own = f"{folder}/{OWN_GROUP}"
    os.mkdir(own)
    return own


def start(order: dict, groups: list[str], streams: tuple[int, int, int]) -> int:
    """Start the command; return its PID."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for group in groups:
            write(f"{group}/cgroup.procs", "0")
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.closerange(3, 256)
        # What processes of a distribution may have, as systemd gives it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.chdir(order["folder"])
        os.execvpe(order["command"][0], order["command"], order["environment"])
    except OSError as error:
        os.write(2, f"vmrun: {order['command'][0]}: {error}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


class Streams:
    """Copies what comes out until the command has ended, and passes signals on to it."""

    def __init__(self, pid: int, control: int, copies: dict[int, int]) -> None:
        self._pid = pid
        self._control = control
        self._copies = copies
        self._poll = select.poll()
        for fd in (*copies, control):
            self._poll.register(fd, select.POLLIN)
        self._end = os.pidfd_open(pid)
        self._poll.register(self._end, select.POLLIN)

    def run(self) -> int:
        """Return the command's status, when all that it said has been said."""
        status = None
        while status is None:
            for fd, _ in self._poll.poll():
                if fd == self._end:
                    # What the command left behind may hold the output open for ever.
                    status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
                elif fd == self._control:
                    self._signal()
                else:
                    self._copy(fd)
            self._reap_orphans()
        self._drain()
        return status if status >= 0 else 128 - status

    def _signal(self) -> None:
        for number in os.read(self._control, 4096).split():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, int(number))

    def _copy(self, fd: int) -> None:
        part = memoryview(os.read(fd, 65536))
        if not part:
            self._poll.unregister(fd)
        while part:
            part = part[os.write(self._copies[fd], part) :]

    def _drain(self) -> None:
        for fd in self._copies:
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                while part := os.read(fd, 65536):
                    os.write(self._copies[fd], part)

    def _reap_orphans(self) -> None:
        """A first process has the orphans of all others for children, but not the command."""
        while True:
            waited = os.WEXITED | os.WNOHANG | os.WNOWAIT
            try:
                found = os.waitid(os.P_ALL, 0, waited)
            except ChildProcessError:
                return
            if found is None or found.si_pid == self._pid:
                return
            os.waitpid(found.si_pid, 0)


def main() -> None:
    """Do all of it."""
    mount("sysfs", "/sys", "sysfs", KERNELS)
    where = ports()
    control = os.open(where["control"], os.O_RDWR)
    order = read_order(control)
    furnish(order)
    groups = mount_cgroups(order["cgroup"])
    nothing = os.open("/dev/null", os.O_RDONLY)
    output, said = os.pipe()
    errors, cried = os.pipe()
    os.write(control, b'{"ready": true}\n')
    pid = start(order, groups, (nothing, said, cried))
    for fd in (nothing, said, cried):
        os.close(fd)
    out, err = (os.open(where[name], os.O_WRONLY) for name in ("out", "err"))
    status = Streams(pid, control, {output: out, errors: err}).run()
    os.close(out)
    os.close(err)
    os.write(control, json.dumps({"status": status}).encode() + b"\n")


def end() -> None:
    """Switch the machine off."""
    os.sync()
    LIBC.reboot(RB_AUTOBOOT)


if __name__ == "__main__":
    try:
        main()
    except Exception:  # noqa: BLE001  (there is nobody left to raise it to)
        traceback.print_exc(file=sys.stdout)  # the console, whose end vmrun shows
    finally:
        end()
        signal.pause()
