"""``plugrun config show``."""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.config import load_settings, show
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print the profile that all configuration files come to."""
    settings = load_settings(options.config, options.profile, os.environ, os.getcwd())
    output.write(show(settings, parsed.values["origin"]))
    return 0
