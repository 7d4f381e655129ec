#!/usr/bin/env python3
"""Storages side by side: file operations inside a mounted root, snapshots, and `run --rm`.

    .venv/bin/python bench/unions.py [--fs ext4|xfs|btrfs] [--rounds 5] [--only overlay,fuse] [--run-rounds 20] [--json FILE]

Needs root; run it by the Python that plugrun is installed for. All storages of plugrun's entry points, and fuse-overlayfs
where it is installed, get the same image on one fresh file system in a RAM-backed file, and take turns in each round. "cold"
means after dropping the kernel's page, dentry and inode caches; what a server keeps in its own memory stays: each round mounts
anew. Shown are the best of all rounds (other work on the machine can only make a round slower) and ratios to a reference.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from plugrun.testing.forked import mounted

FOLDERS, FILES_EACH = 1000, 20  # with the folders and what lies above: a walk of about 23,000 entries
SMALL, MIDDLING, LARGE = 4096, 64 << 20, 256 << 20
UNTARRED = 10_000
READ_SMALL, COPIED_SMALL = 5000, 500

# name, unit, whether more is better
METRICS = {
    "stat cold": ("/s", True), "stat warm": ("/s", True),
    "walk 23k cold": ("ms", False), "walk 23k warm": ("ms", False),
    "read 4 kB cold": ("/s", True), "read 4 kB warm": ("/s", True),
    "sequential read cold": ("MB/s", True), "sequential read warm": ("MB/s", True),
    "untar 10k files": ("ms", False), "rm -r 10k files": ("ms", False),
    "copy-up of 64 MB": ("ms", False), "copy-up of 500 small": ("ms", False),
    "write 256 MB": ("MB/s", True),
    "prepare": ("ms", False), "remove": ("ms", False),
}  # fmt: skip


# -- the image ---------------------------------------------------------------------------------------


def fill_base(tree: str) -> None:
    """The lower layer: many small files, one to copy up, one to read."""
    block = os.urandom(SMALL)
    for number in range(FOLDERS):
        folder = f"{tree}/data/{number % 10}/{number // 10 % 10}/d{number:04}"
        os.makedirs(folder)
        for file in range(FILES_EACH):
            write(f"{folder}/f{file:02}", block)
        os.mkdir(f"{folder}/empty")
        os.symlink("f00", f"{folder}/link")
    write(f"{tree}/middling", os.urandom(1 << 20) * (MIDDLING >> 20))
    write(f"{tree}/large", os.urandom(1 << 20) * (LARGE >> 20))


def fill_above(tree: str) -> None:
    """The upper layer: replaces one file in 20 folders, so that those are merged."""
    for number in range(0, FOLDERS, 50):
        folder = f"{tree}/data/{number % 10}/{number // 10 % 10}/d{number:04}"
        os.makedirs(folder, exist_ok=True)
        write(f"{folder}/f00", b"above")


def write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def make_tar(path: str) -> None:
    """10,000 files of 1 kB in 100 folders, to untar."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        for number in range(UNTARRED):
            place = f"{folder}/files/{number % 100}"
            os.makedirs(place, exist_ok=True)
            write(f"{place}/{number}", b"x" * 1024)
        subprocess.run(["tar", "cf", path, "-C", folder, "files"], check=True)


# -- storages ----------------------------------------------------------------------------------------


class OfPlugrun:
    """A storage by its entry point, with the image in it."""

    def __init__(self, name: str, root: str) -> None:
        self.name, self.key = name, ""
        module = importlib.metadata.entry_points(group="plugrun.storage.v1")[name].load()
        os.makedirs(root)
        self.storage = module.plugrun_open_storage(root)
        found = self.storage.probe()
        if not found.works:
            raise RuntimeError(found.reason)
        layers: list[Callable[[str], None]] = [fill_base, fill_above]
        if "whole-images" in self.storage.capabilities:
            layers = [lambda tree: (fill_base(tree), fill_above(tree))]
        top = None
        for number, fill in enumerate(layers):
            self.storage.prepare(f"unpack-{number}", top)
            fill(self.storage.layer_tree(f"unpack-{number}").path)
            self.storage.commit(f"layer-{number}", f"unpack-{number}")
            top = f"layer-{number}"
        self.top = top

    def prepare(self, key: str) -> None:
        self.storage.prepare(key, self.top)

    def remove(self, key: str) -> None:
        self.storage.remove(key)

    def inside(self, key: str, place: str, act: Callable[[str], dict]) -> dict:
        return mounted(self.storage.mounts(key), place, act)


class FuseOverlayfs:
    """The program of that name over the layer folders of a storage with overlayfs's layout."""

    name = "fuse-overlayfs"

    def __init__(self, overlay: OfPlugrun, root: str) -> None:
        self.overlay, self.root = overlay, root
        os.makedirs(root)
        [mount] = overlay_mounts(overlay)
        options = dict(option.partition("=")[::2] for option in mount.options)
        self.lower = options["lowerdir"]

    def prepare(self, key: str) -> None:
        for part in ("upper", "work"):
            os.makedirs(f"{self.root}/{key}/{part}")

    def remove(self, key: str) -> None:
        shutil.rmtree(f"{self.root}/{key}")

    def inside(self, key: str, place: str, act: Callable[[str], dict]) -> dict:
        own = f"{self.root}/{key}"
        options = f"lowerdir={self.lower},upperdir={own}/upper,workdir={own}/work"

        def mount_and_act(place: str) -> dict:
            subprocess.run(
                ["fuse-overlayfs", "-o", options, place], check=True, stderr=subprocess.DEVNULL
            )
            try:
                return act(place)
            finally:
                os.chdir("/")
                subprocess.run(["umount", place], check=True)

        return mounted((), place, mount_and_act)


def overlay_mounts(overlay: OfPlugrun) -> tuple:
    overlay.prepare("looked-at")
    try:
        return overlay.storage.mounts("looked-at")
    finally:
        overlay.remove("looked-at")


def storages(top: str, only: set[str]) -> Iterator[OfPlugrun | FuseOverlayfs]:
    names = sorted(entry.name for entry in importlib.metadata.entry_points(group="plugrun.storage.v1"))
    names.sort(key=lambda name: name != "overlay")
    for name in names:
        peer = name == "overlay" and "fuse-overlayfs" in (only or {"fuse-overlayfs"})
        if only and name not in only and not peer:
            continue
        try:
            made = OfPlugrun(name, f"{top}/{name}")
        except RuntimeError as error:
            print(f"left out: {name}: {error}", file=sys.stderr)
            continue
        if not only or name in only:
            yield made
        if peer and shutil.which("fuse-overlayfs"):
            yield FuseOverlayfs(made, f"{top}/fuse-overlayfs")


# -- what is measured ---------------------------------------------------------------------------------


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def cold() -> None:
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def stat_all(paths: list[str]) -> None:
    for path in paths:
        os.lstat(path)


def read_whole(paths: list[str]) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        while os.read(fd, 1 << 20):
            pass
        os.close(fd)


def walk(path: str) -> None:
    subprocess.run(["find", path, "-printf", "%s\\n"], check=True, stdout=subprocess.DEVNULL)


def append(paths: list[str]) -> None:
    for path in paths:
        with open(path, "ab") as file:
            file.write(b"x")


def write_large(path: str) -> None:
    block = bytes(1 << 20)
    with open(path, "wb", buffering=0) as file:
        for _ in range(LARGE >> 20):
            file.write(block)


def measure(place: str, tar: str) -> dict[str, float]:
    """Seconds of each piece of work in a mounted root."""
    data = f"{place}/data"
    names = [f"{number % 10}/{number // 10 % 10}/d{number:04}" for number in range(FOLDERS)]
    paths = [f"{data}/{name}/f{file:02}" for name in names for file in range(FILES_EACH)]
    some = paths[:: len(paths) // READ_SMALL]
    found = {}

    def both(name: str, act: Callable[[], object]) -> None:
        cold()
        found[f"{name} cold"] = timed(act)
        found[f"{name} warm"] = min(timed(act) for _ in range(3))

    both("stat", lambda: stat_all(paths))
    both("walk 23k", lambda: walk(place))
    both("read 4 kB", lambda: read_whole(some))
    both("sequential read", lambda: read_whole([f"{place}/large"]))
    os.mkdir(f"{place}/work")
    found["untar 10k files"] = timed(
        lambda: subprocess.run(["tar", "xf", tar, "-C", f"{place}/work"], check=True)
    )
    found["rm -r 10k files"] = timed(
        lambda: subprocess.run(["rm", "-r", f"{place}/work/files"], check=True)
    )
    found["copy-up of 64 MB"] = timed(lambda: append([f"{place}/middling"]))
    found["copy-up of 500 small"] = timed(lambda: append(paths[:: len(paths) // COPIED_SMALL]))
    found["write 256 MB"] = timed(lambda: write_large(f"{place}/written"))
    os.unlink(f"{place}/written")
    return found


COUNTS = {"stat": FOLDERS * FILES_EACH, "read 4 kB": READ_SMALL,
          "sequential read": LARGE / 1e6, "write 256 MB": LARGE / 1e6}  # fmt: skip


def in_unit(name: str, seconds: float) -> float:
    unit, _ = METRICS[name]
    if unit == "ms":
        return seconds * 1e3
    return COUNTS[name.removesuffix(" cold").removesuffix(" warm")] / seconds


def one_round(storage: OfPlugrun | FuseOverlayfs, number: int, place: str, tar: str) -> dict[str, float]:
    key = f"container-{number}"
    os.sync()
    found = {"prepare": timed(lambda: storage.prepare(key))}
    found |= storage.inside(key, place, lambda place: measure(place, tar))
    os.sync()
    found["remove"] = timed(lambda: storage.remove(key))
    return {name: in_unit(name, seconds) for name, seconds in found.items()}


# -- run --rm ----------------------------------------------------------------------------------------


PROFILE = """profile: bench
profiles:
  bench: {{storage: {}, isolation: ns, transport: [host], network: none}}
"""


def time_runs(top: str, names: list[str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of `run --rm` of a tiny image, by storage, taking turns."""
    program = os.path.join(os.path.dirname(sys.executable), "plugrun")
    commands = {}
    for name in names:
        own = f"{top}/run-{name}"
        os.mkdir(own)
        write(f"{own}/config.yaml", PROFILE.format(name).encode())
        argv = [program, "--root", f"{own}/root", "--run-root", f"{own}/run", "--config", f"{own}/config.yaml"]
        commands[name] = [*argv, "run", "--rm", "host:true", "true"]
        for _ in range(3):
            subprocess.run(commands[name], check=True, capture_output=True)
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, argv in commands.items():
            found[name].append(1e3 * timed(lambda argv=argv: subprocess.run(argv, check=True)))
    return found


# -- the report --------------------------------------------------------------------------------------


def table(results: dict[str, list[dict[str, float]]], reference: str) -> Iterator[str]:
    names = list(results)
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for metric, (unit, more) in METRICS.items():
        best = {n: (max if more else min)(r[metric] for r in results[n]) for n in names}
        cells = []
        for name in names:
            value = f"{best[name]:,.0f}" if best[name] >= 100 else f"{best[name]:.3g}"
            if name != reference and reference in best:
                ratio = best[name] / best[reference] if more else best[reference] / best[name]
                value += f" ({ratio:.2f})"
            cells.append(value)
        yield f"| {metric}, {unit} | " + " | ".join(cells) + " |"


def show(results: dict[str, list[dict[str, float]]], runs: dict[str, list[float]]) -> None:
    if results:
        reference = "fuse-overlayfs" if "fuse-overlayfs" in results else next(iter(results))
        print(f"Best of {len(next(iter(results.values())))} rounds; in brackets the speed as a part of {reference}'s:\n")
        print("\n".join(table(results, reference)))
    if runs:
        base = min(runs.get("overlay") or next(iter(runs.values())))
        print("\n| run --rm host:true, ms | best | median | best over overlay's |\n|---|---|---|---|")
        for name, values in runs.items():
            print(f"| {name} | {min(values):.1f} | {statistics.median(values):.1f} | {min(values) / base:.2f} |")


@contextlib.contextmanager
def file_system(kind: str, size: int) -> Iterator[str]:
    """A fresh one in a file on tmpfs, so that the disk is not what is measured."""
    with tempfile.TemporaryDirectory(prefix="plugrun-unions-") as top:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size + (64 << 20)}", "none", top], check=True)
        try:
            with open(f"{top}/image", "wb") as file:
                file.truncate(size)
            quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run([f"mkfs.{kind}", f"{top}/image"], **quiet)
            os.mkdir(f"{top}/fs")
            subprocess.run(["mount", "-o", "loop", f"{top}/image", f"{top}/fs"], check=True)
            try:
                yield f"{top}/fs"
            finally:
                subprocess.run(["umount", f"{top}/fs"], check=True)
        finally:
            # Other programs' mount namespaces may hold on to the file system for a while.
            subprocess.run(["umount", "-l", top], check=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fs", default="ext4")
    parser.add_argument("--size", type=int, default=8, help="GiB of the file system (default 8)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="storages and fuse-overlayfs, by comma")
    parser.add_argument("--run-rounds", type=int, default=20)
    parser.add_argument("--json")
    chosen = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {}
    with file_system(chosen.fs, chosen.size << 30) as top:
        make_tar(f"{top}/files.tar")
        os.mkdir(f"{top}/place")
        made = list(storages(top, {name for name in chosen.only.split(",") if name}))
        for number in range(chosen.rounds):
            turn = number % len(made)
            for storage in made[turn:] + made[:turn]:
                found = one_round(storage, number, f"{top}/place", f"{top}/files.tar")
                results.setdefault(storage.name, []).append(found)
        ours = [storage.name for storage in made if isinstance(storage, OfPlugrun)]
        runs = time_runs(top, ours, chosen.run_rounds) if chosen.run_rounds else {}
    print(f"{chosen.fs} in a RAM-backed file, Linux {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    show(results, runs)
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump({"fs": chosen.fs, "unions": results, "run": runs}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
