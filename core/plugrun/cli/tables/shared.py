"""Options that several commands have, and the headings of the root's help."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, STRING, Option

COMMON = "Common Commands"
MANAGEMENT = "Management Commands"
OTHER = "Commands"
SECTIONS = (COMMON, MANAGEMENT, OTHER)
COMMON_ORDER = (
    *("run", "exec", "ps", "build", "pull", "push", "images"),
    *("login", "logout", "search", "version", "info"),
)

FORMAT_LIST = Option(
    "format", STRING, "Print with a Go template, 'table TEMPLATE' or 'json'", default=""
)
FORMAT = Option("format", STRING, "Print with a Go template or 'json'", default="")
FORMAT_F = Option("format", STRING, "Print with a Go template or 'json'", "f", "")
NO_TRUNC = Option("no-trunc", FLAG, "Print everything in full")
SIZE = Option("size", FLAG, "Say what the files of a container take", "s")
FORCE_PRUNE = Option("force", FLAG, "Do not ask first", "f")
FORCE_RM = Option("force", FLAG, "One that does not exist is no failure", "f")
FILTER_PRUNE = Option(
    "filter", FILTER, "Remove only what fits KEY=VALUE (until, label, label!)", metavar="filter"
)
PROGRESS = Option(
    "progress", STRING, 'How to show progress: "auto", "plain", "tty" or "json"', default="auto"
)
