"""The command that runs another once per combination of backends."""

from __future__ import annotations

from plugrun.cli.options import FLAG, INT, LIST, STRING, Command, Option

MATRIX = Command(
    "matrix",
    "[OPTIONS] -- COMMAND [ARG...]",
    "Run a command once per combination of backends, each with a root of its own",
    (
        Option(
            "emit",
            STRING,
            "Print the cells as a job matrix for github, gitlab or json, and run nothing",
            default="",
        ),
        Option(
            "exclude",
            LIST,
            "Leave out the cells with these values",
            metavar="axis=value[,axis=value...]",
        ),
        Option("fail-fast", FLAG, "Stop everything at the first failure"),
        Option(
            "grace", INT, "Seconds for a cell that is told to end, before it is killed", default=10
        ),
        Option("html", STRING, "Write the results as a page into this file", default=""),
        Option(
            "include",
            LIST,
            "A cell with these values, beside those of --matrix",
            metavar="axis=value[,axis=value...]",
        ),
        Option("jobs", INT, "Cells at a time (default: one per processor)", "j"),
        Option("json", STRING, "Write the results as JSON into this file", default=""),
        Option("junit", STRING, "Write the results as JUnit XML into this file", default=""),
        Option("list", FLAG, "Print the cells and run nothing"),
        Option("logs", STRING, "Keep each cell's output in this folder", default=""),
        Option("matrix", STRING, "Read the cells from this YAML file", default="", metavar="file"),
        Option("print-logs", FLAG, "Print each cell's whole output when it ends"),
        Option(
            "profiles",
            LIST,
            "A cell for each profile: files, a pattern, a folder, or names",
            metavar="profiles",
        ),
        Option("require", FLAG, "A cell that cannot run here is a failure"),
        Option("roots", STRING, "Make the cells' roots in this folder", default=""),
        Option("shard", STRING, "Run part i of n, as i/n", default=""),
        Option("timeout", INT, "Seconds a cell may take (default: any number)"),
    ),
    mixed=False,
    verb="matrix",
)

TABLES = (MATRIX,)
