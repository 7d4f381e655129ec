"""The machine's kernel: the distribution's own cloud image, downloaded once and never installed."""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from failing import Failed

META_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")  # Debian's, Ubuntu's


@dataclass(frozen=True)
class Kernel:
    """A kernel that was unpacked: its image, its version, its folder of modules."""

    image: str
    version: str
    modules: str


def fetched(cache: str) -> Kernel:
    """Return the kernel in ``cache``, which apt-get downloads if it is not there yet."""
    if platform.machine() != "x86_64":
        raise Failed(f"there is a machine for x86_64 only, and this is {platform.machine()}")
    if not glob.glob(f"{cache}/kernel/boot/vmlinuz-*"):
        _fetch(cache)
    (image,) = glob.glob(f"{cache}/kernel/boot/vmlinuz-*")
    version = image.partition("vmlinuz-")[2]
    return Kernel(image, version, f"{cache}/kernel/lib/modules/{version}")


def _fetch(cache: str) -> None:
    os.makedirs(cache, exist_ok=True)
    folder = tempfile.mkdtemp(dir=cache)
    try:
        for package in _packages():
            _call("apt-get", "-qq", "download", package, cwd=folder)
        for archive in glob.glob(f"{folder}/*.deb"):
            _call("dpkg-deb", "-x", archive, f"{folder}/kernel")
        (modules,) = glob.glob(f"{folder}/kernel/lib/modules/*")
        _call("depmod", "-b", f"{folder}/kernel", os.path.basename(modules))
        if not os.path.exists(f"{cache}/kernel"):  # another may have been quicker
            os.rename(f"{folder}/kernel", f"{cache}/kernel")
    finally:
        shutil.rmtree(folder)


def _packages() -> list[str]:
    """Return the packages of the newest kernel; Ubuntu has the modules in one of their own."""
    found = _known()
    if not found:
        _call("apt-get", "-qq", "update")
        found = _known()
    if not found:
        raise Failed(f"apt-get knows no package {' or '.join(META_PACKAGES)}: has it a network?")
    return found


def _known() -> list[str]:
    for meta in META_PACKAGES:
        listed = _call("apt-cache", "depends", "--important", meta)
        if found := re.findall(r"Depends: (linux-image-\d\S*)", listed):
            modules = found[0].replace("linux-image-", "linux-modules-")
            known = _call("apt-cache", "pkgnames", modules).split()
            return [found[0], *([modules] if modules in known else [])]
    return []


def _call(*argv: str, cwd: str | None = None) -> str:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failed(f"{argv[0]} is missing: make test installs what it needs by apt-get") from None
    if done.returncode != 0 and argv[0] != "apt-cache":
        raise Failed(
            f"the machine's kernel cannot be had: {' '.join(argv)} returned {done.returncode}: "
            f"{done.stderr.strip()}"
        )
    return done.stdout
