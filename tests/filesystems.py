"""File systems of a certain kind for tests: made in a file, mounted by loop."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

_SIZES = {"btrfs": 1 << 30, "xfs": 2 << 30, "ext4": 1 << 30}


@contextlib.contextmanager
def mounted_filesystem(kind: str, folder: str, size: int = 0, *options: str) -> Iterator[str]:
    """Yield a folder that a fresh file system is mounted on."""
    maker = shutil.which(f"mkfs.{kind}")
    if maker is None or os.geteuid() != 0:
        pytest.skip(f"needs root and mkfs.{kind}: tools/setup packages {kind}")
    image, place = f"{folder}/{kind}.img", f"{folder}/{kind}"
    with open(image, "wb") as file:
        file.truncate(size or _SIZES[kind])
    subprocess.run([maker, *options, image], check=True, capture_output=True)
    os.mkdir(place)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        os.unlink(image)
