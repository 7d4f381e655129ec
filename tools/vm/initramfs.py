"""The first files of the machine: modules to reach this machine's root, and who mounts it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys

from failing import Failed
from kernel import Kernel

HERE = os.path.dirname(os.path.realpath(__file__))
MODULES = ("virtio_pci", "virtio_console", "virtiofs", "overlay", "virtio_blk", "ext4")

INIT = """#!/bin/busybox sh
b=/bin/busybox
fail() { echo "vmrun: $*"; $b reboot -f; }
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules/order); do $b insmod /modules/$module || fail insmod $module; done
$b mount -t virtiofs -o ro root /lower || fail no root
$b mount -t tmpfs -o mode=755,size=90% tmpfs /upper || fail no memory
$b mkdir /upper/upper /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work root /root ||
  fail no overlay
$b mkdir -p /root/run
$b mount -t tmpfs -o mode=755 tmpfs /root/run
$b mkdir /root/run/vmrun
$b cp /bin/busybox /guest.py /root/run/vmrun/
$b ln -s busybox /root/run/vmrun/modprobe
$b mount --move /proc /root/proc
$b mount --move /dev /root/dev
exec $b switch_root /root PYTHON -I -S -B /run/vmrun/guest.py
"""


def initramfs(cache: str, kernel: Kernel) -> str:
    """Return the path of an archive for this kernel, made if it is not there yet."""
    body = _archive(kernel)
    path = f"{cache}/initramfs-{hashlib.sha256(body).hexdigest()[:16]}"
    if not os.path.exists(path):
        aside = f"{path}.{os.getpid()}"
        with open(aside, "wb") as file:
            file.write(body)
        os.rename(aside, path)
    return path


def _archive(kernel: Kernel) -> bytes:
    folders = ("bin", "modules", "proc", "dev", "lower", "upper", "root")
    entries = [_entry(name, 0o040755) for name in folders]
    # Where the kernel's own words go, before there is a /dev.
    entries.append(_entry("dev/console", 0o020600, device=(5, 1)))
    entries.append(_entry("init", 0o100755, INIT.replace("PYTHON", _python()).encode()))
    entries.append(_entry("bin/busybox", 0o100755, _content(_busybox())))
    entries.append(_entry("guest.py", 0o100644, _content(f"{HERE}/guest.py")))
    order = _load_order(kernel.modules)
    for module in order:
        body = _content(f"{kernel.modules}/{module}")
        entries.append(_entry(f"modules/{os.path.basename(module)}", 0o100644, body))
    names = "\n".join(os.path.basename(module) for module in order)
    entries.append(_entry("modules/order", 0o100644, names.encode()))
    return b"".join([*entries, _entry("TRAILER!!!", 0)])


def _python() -> str:
    """Return an interpreter that is on the root's own file system."""
    system = "/usr/bin/python3"
    return system if os.path.exists(system) else os.path.realpath(sys.executable)


def _busybox() -> str:
    found = shutil.which("busybox")
    if found is None or b"/ld-linux" in _content(found)[:4096]:
        raise Failed("a static busybox is needed: apt-get install busybox-static")
    return found


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _load_order(folder: str) -> list[str]:
    """Return files of modules, each behind those it needs; what is built in has none."""
    needs: dict[str, list[str]] = {}
    with open(f"{folder}/modules.dep", encoding="utf-8") as file:
        for line in file:
            module, _, rest = line.partition(":")
            needs[module] = rest.split()
    by_name = {os.path.basename(path).partition(".")[0].replace("-", "_"): path for path in needs}
    order: dict[str, None] = {}

    def add(module: str) -> None:
        for needed in reversed(needs[module]):
            if needed not in order:
                add(needed)
        order[module] = None

    for name in MODULES:
        if name in by_name:
            add(by_name[name])
    return list(order)


def _entry(name: str, mode: int, body: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """Return an entry of a cpio archive: early-userspace/buffer-format of the kernel doc."""
    raw = name.encode() + b"\0"
    links, (major, minor) = 1, device
    fields = (0, mode, 0, 0, links, 0, len(body), 0, 0, major, minor, len(raw), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
    return _padded(head) + _padded(body)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
