"""Which plugins are installed, by their entry points alone; none is imported."""

from __future__ import annotations

from importlib import metadata

from plugrun.api import API_VERSION
from plugrun.model.profile import HOOKS, KINDS
from plugrun.model.record import record

ALL_KINDS = (*KINDS, HOOKS)


@record
class Found:
    """One entry point in a group ``plugrun.KIND.vN``."""

    kind: str
    name: str
    api_version: int
    distribution: str
    version: str
    entry_point: metadata.EntryPoint

    @property
    def fits(self) -> bool:
        """Whether it is made for this version of the API."""
        return self.api_version == API_VERSION

    def __str__(self) -> str:
        return f'{self.kind} plugin "{self.name}" of {self.distribution} {self.version}'


def group(kind: str) -> str:
    """Return the entry-point group of a kind, for this version of the API."""
    return f"plugrun.{kind}.v{API_VERSION}"


def find(kind: str) -> list[Found]:
    """Return the installed plugins of a kind, of every API version, sorted by name."""
    found = []
    seen = set()
    for dist in metadata.distributions():
        ours = [(e, v) for e in dist.entry_points if (v := _version(e.group, kind)) is not None]
        if not ours:
            continue
        owner, release = _said(dist, "Name"), _said(dist, "Version")
        if owner in seen:  # the first on sys.path is the one that imports
            continue
        seen.add(owner)
        for entry_point, version in ours:
            found.append(Found(kind, entry_point.name, version, owner, release, entry_point))
    return sorted(found, key=lambda f: (f.name, f.api_version, f.distribution))


def _version(group: str, kind: str) -> int | None:
    prefix = f"plugrun.{kind}.v"
    number = group.removeprefix(prefix)
    return int(number) if group.startswith(prefix) and number.isdecimal() else None


def _said(dist: metadata.Distribution, key: str) -> str:
    """Return what a distribution says of itself, or "?" if its metadata is damaged."""
    said = dist.metadata
    return said[key] if said is not None and key in said else "?"
