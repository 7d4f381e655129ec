"""The names of what is here, for completion: read, and nothing healed or made."""

from __future__ import annotations

import os

from plugrun.engine.engine import open_engine
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import GlobalOptions


def containers(options: GlobalOptions, state: str) -> list[str]:
    """Return names of containers; ``state`` may ask for ``running`` or ``stopped`` ones only."""
    engine = _existing(options)
    if engine is None:
        return []
    from plugrun.engine.containers import is_running

    found = [(container.id, container.name) for container in engine.metadata.containers()]
    if state:
        found = [pair for pair in found if is_running(engine, pair[0]) == (state == "running")]
    return [name for _, name in found]


def images(options: GlobalOptions) -> list[str]:
    """Return names of images as Docker prints them, with their tags."""
    engine = _existing(options)
    if engine is None:
        return []
    names = engine.metadata.image_names()
    return [parse_reference(name.name, default_tag="").familiar for name in names]


def volumes(options: GlobalOptions) -> list[str]:
    """Return names of volumes."""
    engine = _existing(options)
    return [] if engine is None else sorted(engine.metadata.volumes.names())


def networks(options: GlobalOptions) -> list[str]:
    """Return names of networks, and of those that are always there."""
    engine = _existing(options)
    kept = [] if engine is None else [one.name for one in engine.metadata.networks.all()]
    return sorted({"bridge", "host", "none", *kept})


def storages(options: GlobalOptions) -> list[str]:
    """Return names of storages: of the profile, and of those with a folder here."""
    engine = _existing(options)
    if engine is None:
        return []
    from plugrun.engine.heal import stored_names

    return sorted({*engine.backends.profile.storage, *stored_names(engine)})


def _existing(options: GlobalOptions) -> Engine | None:
    """Open the root that the options name, if there is one."""
    return open_engine(options) if os.path.exists(f"{options.root}/plugrun.db") else None
