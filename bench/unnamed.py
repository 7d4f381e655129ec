#!/usr/bin/env python3
"""What plugins cost that are installed and that no profile names: unnamed.py PROJECT [--rounds N]

Makes two fresh environments with plugrun as a wheel of PROJECT, one of them with 30 generated
plugins beside it, one of which cannot be imported; then starts.py measures `run` in both.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("storage", "isolation", "transport", "network", "hooks")


def sh(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def environment(folder, wheels, *names):
    """Make an environment with these distributions."""
    sh(sys.executable, "-m", "venv", folder)
    pip = (f"{folder}/bin/pip", "install", "-q", "--disable-pip-version-check")
    sh(*pip, f"--find-links={wheels}", *names)
    sh(
        f"{folder}/bin/python",
        "-m",
        "compileall",
        "-q",
        glob.glob(f"{folder}/lib/*/site-packages")[0],
    )
    return f"{folder}/bin/plugrun"


def generated(program, top):
    """Make the projects of 30 plugins; the last cannot be imported."""
    folders = []
    for number in range(30):
        folder = f"{top}/unnamed-{number:02}"
        sh(
            program,
            "plugin",
            "new",
            KINDS[number % len(KINDS)],
            f"unnamed-{number:02}",
            "--to",
            folder,
        )
        folders.append(folder)
    with open(f"{folders[-1]}/plugrun_unnamed_29/plugin.py", "w", encoding="utf-8") as file:
        file.write("raise RuntimeError('broken')\n")
    return folders


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project")
    parser.add_argument("--rounds", default="40")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plugrun-unnamed-") as top:
        wheels = f"{top}/wheels"
        build = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels)
        sh(*build, asked.project)
        bare = environment(f"{top}/bare", wheels, "plugrun")
        sh(*build, *generated(bare, top))
        names = [f"plugrun-unnamed-{number:02}" for number in range(30)]
        full = environment(f"{top}/full", wheels, "plugrun", *names)
        own = f"--root {top}/root --run-root {top}/run run --rm --network none host:true true"
        commands = [f"alone={bare} {own}", f"beside30={full} {own}"]
        subprocess.run(
            [sys.executable, f"{HERE}/starts.py", "--rounds", asked.rounds, *commands], check=True
        )


if __name__ == "__main__":
    main()
