"""Commands about what lies in containers, and images made from it."""

from __future__ import annotations

from plugrun.cli.options import FLAG, LIST, STRING, Command, Option

_CHANGE = Option("change", LIST, "Apply a Dockerfile instruction to the image", "c")

COMMIT = Command(
    "commit",
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Make an image from what a container changed",
    (
        Option(
            "author", STRING, 'Author (as "John Hannibal Smith <hannibal@a-team.com>")', "a", ""
        ),
        _CHANGE,
        Option("message", STRING, "What is to be said of it", "m", ""),
        Option("pause", FLAG, "Pause the container meanwhile", "p", True),
    ),
    least=1,
    most=2,
    verb="commit",
    also=("container commit",),
)

CP = Command(
    "cp",
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
    "        plugrun cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files and folders between a container and this machine",
    (
        Option("archive", FLAG, "Keep owners (uid and gid)", "a"),
        Option("follow-link", FLAG, "Copy what a symlink SRC_PATH leads to", "L"),
        Option("quiet", FLAG, "Do not say what was copied", "q"),
    ),
    least=2,
    most=2,
    verb="cp",
    also=("container cp",),
)

DIFF = Command(
    "diff",
    "CONTAINER",
    "Show what a container changed in its files",
    (),
    least=1,
    most=1,
    verb="diff",
    also=("container diff",),
)

EXPORT = Command(
    "export",
    "[OPTIONS] CONTAINER",
    "Write all files of a container as a tar archive",
    (Option("output", STRING, "Write to a file, instead of standard output", "o", ""),),
    least=1,
    most=1,
    verb="export",
    also=("container export",),
)

IMPORT = Command(
    "import",
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    "Make an image from the files in a tar archive",
    (
        _CHANGE,
        Option("message", STRING, "What is to be said of the image", "m", ""),
        Option("platform", STRING, "The platform its programs are for", default=""),
    ),
    least=1,
    most=2,
    verb="import",
    also=("image import",),
)

TABLES = (COMMIT, CP, DIFF, EXPORT, IMPORT)
