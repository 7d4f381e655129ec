"""Commands for authors of plugins."""

from __future__ import annotations

from plugrun.cli.options import LIST, STRING, Command, Option

PLUGIN_NEW = Command(
    "plugin new",
    "[OPTIONS] KIND NAME",
    "Make the project of a storage, isolation, transport, network or hooks",
    (Option("to", STRING, "Folder to make (default: plugrun-NAME)", default=""),),
    least=2,
    most=2,
    verb="plugin_new",
)

PLUGIN_CHECK = Command(
    "plugin check",
    "[OPTIONS] [KIND] NAME",
    "Run an installed plugin's contract on this machine and print what it can do",
    (
        Option("address", STRING, "Of a transport: an image that it has", default=""),
        Option("format", STRING, "Print the card as markdown or json", default="markdown"),
        Option("only", STRING, "Only the tests that fit this expression of pytest's", default=""),
        Option("log", STRING, "Write what pytest says into this file", default=""),
        Option("missing", STRING, "Of a transport: an image that it has not", default=""),
        Option("option", LIST, "An option of the plugin, as KEY=VALUE (VALUE in YAML)", "o"),
    ),
    least=1,
    most=2,
    verb="plugin_check",
)

TABLES = (PLUGIN_NEW, PLUGIN_CHECK)
