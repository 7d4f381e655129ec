"""Third-party distributions, made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest


class Site:
    """A folder of installed distributions, on sys.path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(self, distribution: str, entry_points: str, version: str = "1.0", **modules: str):
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(head)
        (info / "entry_points.txt").write_text(dedent(entry_points))
        for name, text in modules.items():
            (self.folder / f"{name}.py").write_text(dedent(text))
            self.modules.append(name)
        return info

    def backend(self, kind: str, name: str, text: str = "", **more: str):
        """Install one backend whose module has the same name as its distribution."""
        module = f"thirdparty_{kind}_{name}"
        groups = f"[plugrun.{kind}.v1]\n{name} = {module}\n"
        return self.install(f"plugrun-{name}", groups, **{module: text or WORKS[kind], **more})


PROBED = """
class Thing:
    capabilities = frozenset({{"b", "a"}})

    def __init__(self, folder, options):
        self.folder, self.options = folder, options

    def probe(self):
        from plugrun.api import Probe
        return Probe(True)

def plugrun_open_{kind}({place}, options):
    return Thing({place}, options)
"""
WORKS = {
    "storage": PROBED.format(kind="storage", place="root"),
    "isolation": PROBED.format(kind="isolation", place="state"),
    "network": PROBED.format(kind="network", place="state"),
    "transport": """
    def plugrun_open_transport(address):
        return ("mine", address) if address.startswith("mine:") else None
    """,
    "hooks": """
    def plugrun_adjust_spec(spec):
        spec.setdefault("seen", []).append(__name__)
    """,
}
FAILS_PROBE = """
class Thing:
    capabilities = frozenset()

    def probe(self):
        from plugrun.api import Probe
        return Probe(False, "the moon is full", "wait")

def plugrun_open_storage(root):
    return Thing()
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Site(folder)
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)
