"""Plugins: which are installed, whether one fits, what its options may be.

stevedore loads the named ones, pluggy checks them against ``plugrun.hookspecs``. Nothing is loaded
that is not named, so a broken plugin harms only who asks for it. Far from the hot path: what is
learnt here is kept by ``plugrun.launchindex``.
"""

from __future__ import annotations

from plugrun.plugins.describing import PluginInfo, describe_all
from plugrun.plugins.finding import ALL_KINDS, Found, find
from plugrun.plugins.loading import Plugin, load
from plugrun.plugins.options import check_options

__all__ = [
    "ALL_KINDS",
    "Found",
    "Plugin",
    "PluginInfo",
    "check_options",
    "describe_all",
    "find",
    "load",
]
