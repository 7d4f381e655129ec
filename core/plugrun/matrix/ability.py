"""Whether a cell can run on this machine, and why not."""

from __future__ import annotations

from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.errors import BackendUnavailable, ConfigError, PluginError
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
        reason = _said(error.message, place)
        return f"{reason} ({error.hint})" if error.hint else reason
    except ConfigError as error:
        reason = _said(error.message, place)
        raise ConfigError(f"cell {place.cell.name}: {reason}", hint=error.hint) from None
    return ""


def _said(message: str, place: Workplace) -> str:
    """Leave out the place in the cell's own configuration, which nobody has written."""
    own = message.startswith(f"{place.folder}/")
    return message.partition(": ")[2] if own else message
