"""Whether a cell can run on this machine, and why not."""

from __future__ import annotations

from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.errors import BackendUnavailable, PluginError
from plugrun.matrix.workplace import Workplace


def why_not(place: Workplace) -> str:
    """Return why a cell's backends do not work here, with the remedy; empty if they do.

    A mistake in the configuration is no reason to skip: ConfigError. What runs through another
    command is for that other place to say.
    """
    if place.cell.through:
        return ""
    options = GlobalOptions(
        place.root, place.run_root, place.environ.get("PLUGRUN_CONFIG", ""), place.cell.profile
    )
    try:
        open_engine(options).choose_backends()
    except (BackendUnavailable, PluginError) as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return ""
