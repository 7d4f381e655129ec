"""The machine itself: qemu, and a virtiofsd for each file system of this machine that it sees."""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from failing import Failed
from kernel import Kernel
from talking import PORTS, Talk

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 0x4000, 0x40000
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
PLACE = "/mnt"  # where a folder is bound for its virtiofsd, in a mount namespace of its own
COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 reboot=t mitigations=off random.trust_cpu=on "
    "cgroup_enable=memory swapaccount=1"
)
PATIENCE = 20  # seconds for a virtiofsd to begin


def run(
    chosen: argparse.Namespace,
    kernel: Kernel,
    initrd: str,
    shares: list[str],
    environment: dict[str, str],
) -> int:
    """Run the command in a new machine; return its status."""
    tags = {f"share{number}": folder for number, folder in enumerate(shares)}
    order = {
        "command": chosen.command,
        "environment": environment | {"VMRUN": chosen.cgroup},
        "folder": os.getcwd(),
        "cgroup": chosen.cgroup,
        "shares": tags,
        "disks": [disk.partition(":")[2] for disk in chosen.disk],
        "modules": kernel.modules,
        "version": kernel.version,
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vmrun-"))
        log = stack.enter_context(open(f"{folder}/log", "w+b"))
        for tag, source in {"root": "/", **tags}.items():
            stack.enter_context(_served(source, f"{folder}/{tag}", log))
        ends = [socket.socketpair() for _ in PORTS]
        argv = _qemu(chosen, kernel, initrd, folder, ["root", *tags])
        argv += _ports([theirs.fileno() for _, theirs in ends])
        passed = [theirs.fileno() for _, theirs in ends]
        stack.enter_context(_child(argv, log, pass_fds=passed))
        for mine, theirs in ends:
            stack.enter_context(mine)
            theirs.close()
        talk = Talk(dict(zip(PORTS, [mine for mine, _ in ends], strict=True)))
        try:
            return talk.hold(order, chosen.boot_timeout, chosen.timeout)
        except Failed as error:
            raise Failed(f"{error}\n{_tails(folder)}", error.status) from None


def _tails(folder: str) -> str:
    """Return what the kernel, the first process and the programs around the machine said last."""
    texts = []
    for name in ("console", "log"):
        with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
            texts.append(file.read()[-3000:].strip())
    return "\n".join(text for text in texts if text)


@contextmanager
def _child(
    argv: list[str],
    log: object,
    prepare: Callable[[], None] | None = None,
    pass_fds: list[int] | tuple[()] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program that ends with this one, however that ends."""

    def before() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if prepare:
            prepare()

    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds, preexec_fn=before
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _served(source: str, address: str, log: object) -> Iterator[None]:
    """Offer a folder at a socket, read-only and without what is mounted beneath it."""
    program = next(filter(os.path.exists, VIRTIOFSD), None)
    if program is None:
        raise Failed("virtiofsd is missing: apt-get install qemu-system-common, or virtiofsd")

    def bind() -> None:
        steps = (
            (b"none", b"/", MS_REC | MS_PRIVATE),
            (os.fsencode(source), PLACE.encode(), MS_BIND),
            (b"none", PLACE.encode(), MS_BIND | MS_REMOUNT | MS_RDONLY),
        )
        if LIBC.unshare(CLONE_NEWNS) or any(LIBC.mount(*s[:2], None, s[2], None) for s in steps):
            os._exit(1)

    argv = [program, f"--socket-path={address}", "-f", "--thread-pool-size=0"]
    for option in (f"source={PLACE}", "cache=always", "sandbox=chroot", "xattr", "log_level=err"):
        argv += ["-o", option]
    with _child(argv, log, bind) as process:
        end = time.monotonic() + PATIENCE
        while not os.path.exists(address):
            if process.poll() is not None or time.monotonic() > end:
                raise Failed(f"virtiofsd cannot offer {source}\n{_tails(os.path.dirname(address))}")
            time.sleep(0.005)
        yield


def _qemu(
    chosen: argparse.Namespace, kernel: Kernel, initrd: str, folder: str, tags: list[str]
) -> list[str]:
    program = shutil.which("qemu-system-x86_64")
    if program is None:
        raise Failed("qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
    accelerated = _has_kvm()
    # 57-bit addresses cost qemu's own translation of them a level more.
    argv = [program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    argv += ["-accel", "kvm" if accelerated else "tcg,thread=multi,tb-size=256"]
    argv += ["-cpu", "host" if accelerated else "max,-la57", "-smp", str(chosen.cpus)]
    argv += ["-M", "q35,memory-backend=memory", "-m", str(chosen.memory)]
    argv += ["-object", f"memory-backend-memfd,id=memory,size={chosen.memory}M,share=on"]
    argv += ["-kernel", kernel.image, "-initrd", initrd, "-append", COMMAND_LINE]
    argv += ["-serial", f"file:{folder}/console", "-monitor", "none"]
    for tag in tags:
        argv += ["-chardev", f"socket,id={tag},path={folder}/{tag}"]
        argv += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
    for number, disk in enumerate(chosen.disk):
        image = _disk(f"{folder}/disk{number}", disk.partition(":")[0])
        drive = f"if=none,id=disk{number},file={image},format=raw,cache=unsafe,discard=unmap"
        argv += ["-drive", drive, "-device", f"virtio-blk-pci,drive=disk{number}"]
    return argv


def _disk(path: str, size: str) -> str:
    subprocess.run(["truncate", "-s", size, path], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=1", path], check=True)
    return path


def _ports(fds: list[int]) -> list[str]:
    argv = ["-device", "virtio-serial-pci"]
    for name, fd in zip(PORTS, fds, strict=True):
        argv += ["-chardev", f"socket,id={name},fd={fd}"]
        argv += ["-device", f"virtserialport,chardev={name},name={name}"]
    return argv


def _has_kvm() -> bool:
    """Whether the processor itself can do it: a KVM of another kind has other guests only."""
    kinds = any(os.path.isdir(f"/sys/module/{name}") for name in ("kvm_intel", "kvm_amd"))
    return kinds and os.access("/dev/kvm", os.R_OK | os.W_OK)
