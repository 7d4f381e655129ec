#!/usr/bin/env python3
"""snapshots.py FOLDER: what a snapshot of a big image costs, for every storage that is installed.

An image of many small files is unpacked into each storage beneath FOLDER, which is on the file
system to be measured; then snapshots of it are prepared and removed, round by round, beside
``cp -a --reflink=auto`` and ``rm -rf`` of the same tree. As root, with an interpreter that plugrun
is installed for::

    .venv/bin/python bench/snapshots.py /mnt/btrfs --files 20000 --rounds 7

Prints a table of milliseconds, min / median. What FOLDER gets is removed at the end.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from importlib import metadata

FOLDER_SIZE = 100  # files in a folder
SIZES = (0, 120, 900, 2500, 7000, 30000)  # bytes, by turns: the median of a Debian's files is 2 KB


def fill(top, count):
    """Make the image's files."""
    data = os.urandom(max(SIZES))
    for number in range(count):
        folder = f"{top}/{number // FOLDER_SIZE // 20}/{number // FOLDER_SIZE}"
        if number % FOLDER_SIZE == 0:
            os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/file-{number}", "wb") as file:
            file.write(data[: SIZES[number % len(SIZES)]])


def timed(act):
    """Return how many milliseconds an act takes."""
    before = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - before) / 1e6


def commit_image(storage, count):
    """Unpack the image into a storage as its one layer."""
    storage.prepare("unpack", None)
    fill(storage.layer_tree("unpack").path, count)
    storage.commit("image", "unpack")


class Snapshots:
    """The rounds of one storage."""

    def __init__(self, name, storage):
        self.name = name
        self._storage = storage

    def round(self, number):
        """Return the milliseconds of a snapshot and of its removal."""
        key = f"box-{number}"
        made = timed(lambda: self._storage.prepare(key, "image"))
        return made, timed(lambda: self._storage.remove(key))

    def end(self):
        """Remove what the rounds stood on."""
        self._storage.remove("image")


class Copies:
    """The rounds of cp."""

    name = "cp -a --reflink=auto"

    def __init__(self, folder, count):
        self._source, self._copy = f"{folder}/source", f"{folder}/copy"
        os.mkdir(self._source)
        fill(self._source, count)

    def round(self, number):
        """Return the milliseconds of a copy and of its removal."""
        copy = ["cp", "-a", "--reflink=auto", self._source, f"{self._copy}-{number}"]
        made = timed(lambda: subprocess.run(copy, check=True))
        remove = ["rm", "-rf", f"{self._copy}-{number}"]
        return made, timed(lambda: subprocess.run(remove, check=True))

    def end(self):
        """Remove what was copied from."""
        subprocess.run(["rm", "-rf", self._source], check=True)


def opened(folder, count, wanted):
    """Yield what is to be measured; say why a storage cannot be."""
    for entry in metadata.entry_points(group="plugrun.storage.v1"):
        if wanted and entry.name not in wanted:
            continue
        try:
            storage = entry.load().plugrun_open_storage(f"{folder}/{entry.name}")
            probe = storage.probe()
        except Exception as error:
            print(f"{entry.name}: left out: {error}", file=sys.stderr)
            continue
        if not probe.works:
            print(f"{entry.name}: left out: {probe.reason}", file=sys.stderr)
            continue
        commit_image(storage, count)
        yield Snapshots(entry.name, storage)
    yield Copies(folder, count)


def figures(values):
    """Return milliseconds as min / median."""
    return f"{min(values):.1f} / {statistics.median(values):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--storage", action="append", help="only this one; may be given again")
    args = parser.parse_args()
    folder = f"{os.path.realpath(args.folder)}/plugrun-snapshots-{os.getpid()}"
    os.mkdir(folder, 0o700)
    try:
        measured = {one: ([], []) for one in opened(folder, args.files, args.storage)}
        os.sync()
        for number in range(args.rounds):
            for one, (made, removed) in measured.items():
                # What the one before has written and removed is not to be this one's burden.
                subprocess.run(["sync", "-f", folder], check=True)
                for kept, value in zip((made, removed), one.round(number), strict=True):
                    kept.append(value)
        for one in measured:
            one.end()
    finally:
        subprocess.run(["rm", "-rf", folder], check=False)
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", args.folder], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"snapshot of {args.files} files on {kind}, ms, min / median of {args.rounds}\n")
    print("| | made | removed |\n|---|---|---|")
    for one, (made, removed) in measured.items():
        print(f"| {one.name} | {figures(made)} | {figures(removed)} |")


if __name__ == "__main__":
    main()
