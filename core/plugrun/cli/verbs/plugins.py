"""``plugrun plugins``."""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.config import load_settings
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.launchindex import rescan
from plugrun.plugins import PluginInfo, describe_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TABLE = "{{.Kind}}\t{{.Name}}\t{{.Version}}\t{{.Works}}\t{{.Distribution}}\t{{.Reason}}"
_HEADERS = {
    "Kind": "KIND",
    "Name": "NAME",
    "Version": "VERSION",
    "API": "API",
    "Distribution": "DISTRIBUTION",
    "Works": "WORKS",
    "Capabilities": "CAPABILITIES",
    "Reason": "WHY NOT",
    "Remedy": "REMEDY",
    "Details": "DETAILS",
}


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List every installed backend, broken ones with their reason."""
    if parsed.values["rescan"]:
        rescan(open_engine(options).run_root)
    settings = load_settings(options.config, options.profile, os.environ, os.getcwd())
    found = describe_all(options.root, options.run_root, settings.profile)
    rows = [_row(info) for info in found]
    output.write(render(parsed.values["format"], _TABLE, _HEADERS, rows))
    return 0


def _row(info: PluginInfo) -> dict[str, Any]:
    return {
        "API": str(info.api_version),
        "Capabilities": ",".join(info.capabilities),
        "Details": ",".join(f"{key}={value}" for key, value in info.details),
        "Distribution": info.distribution,
        "Kind": info.kind,
        "Name": info.name,
        "Reason": "; ".join(part for part in (info.reason, info.remedy) if part),
        "Remedy": info.remedy,
        "Version": info.version,
        "Works": "yes" if info.works else "no",
    }
