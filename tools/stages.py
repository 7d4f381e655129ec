"""Milliseconds of `run --rm` by stage: tools/stages.py PLUGRUN."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 30
IMAGE = "host:true"


def main() -> int:
    """Run a trivial container many times and print medians."""
    program = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="plugrun-bench-") as top:
        argv = [program, "--root", f"{top}/root", "--run-root", f"{top}/run"]
        run = [*argv, "run", "--rm", "--network", "none", "--timings", IMAGE, "true"]
        subprocess.run(run, check=True, capture_output=True)
        stages: dict[str, list[float]] = {}
        for _ in range(RUNS):
            started = time.perf_counter()
            done = subprocess.run(run, check=True, capture_output=True, text=True)
            stages.setdefault("whole command", []).append((time.perf_counter() - started) * 1e3)
            for name, milliseconds in re.findall(
                r"^\s*(\S.*?)\s+([\d.]+) ?(?:ms)?$", done.stderr, re.M
            ):
                stages.setdefault(name, []).append(float(milliseconds))
    sys.stdout.write(f"run --rm --network none, {RUNS} times, milliseconds (median, best)\n")
    for name, values in stages.items():
        sys.stdout.write(f"  {name:<16} {statistics.median(values):7.1f} {min(values):7.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
