"""Commands about images."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, STRING, Command, Option
from plugrun.cli.tables.shared import (
    COMMON,
    FILTER_PRUNE,
    FORCE_PRUNE,
    FORMAT_F,
    FORMAT_LIST,
    NO_TRUNC,
    PROGRESS,
)

# Docker's switch for Notary's signatures, which few registries have had; there is none to check.
_CONTENT_TRUST = Option(
    "disable-content-trust", FLAG, "Accepted for Docker's sake: there is none", default=True
)

PULL = Command(
    "pull",
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    (
        Option("all-tags", FLAG, "Download all images of the repository", "a"),
        _CONTENT_TRUST,
        Option("platform", STRING, "Take the image for this platform", default=""),
        PROGRESS,
        Option("quiet", FLAG, "Print the image's name only", "q"),
    ),
    least=1,
    most=1,
    verb="pull",
    section=COMMON,
    also=("image pull",),
)

PUSH = Command(
    "push",
    "[OPTIONS] NAME[:TAG]",
    "Upload an image to a registry",
    (
        Option("all-tags", FLAG, "Upload all images of the repository", "a"),
        _CONTENT_TRUST,
        PROGRESS,
        Option("quiet", FLAG, "Print the image's name only", "q"),
    ),
    least=1,
    most=1,
    verb="push",
    section=COMMON,
    also=("image push",),
)

SAVE = Command(
    "save",
    "[OPTIONS] IMAGE [IMAGE...]",
    "Write images to an archive (to standard output unless told otherwise)",
    (Option("output", STRING, "Write to this file", "o", ""),),
    least=1,
    verb="save",
    also=("image save",),
)

LOAD = Command(
    "load",
    "[OPTIONS]",
    "Load images from an archive or from standard input",
    (
        Option("input", STRING, "Read from this file", "i", ""),
        Option("platform", STRING, "Take the image for this platform", default=""),
        PROGRESS,
        Option("quiet", FLAG, "Do not show progress", "q"),
    ),
    most=0,
    verb="load",
    also=("image load",),
)

COPY = Command(
    "copy",
    "[OPTIONS] SRC DEST",
    "Copy an image between registries, archives, folders and this machine's images",
    (
        Option("all", FLAG, "Copy the image for all platforms, and attestations", "a"),
        Option("platform", STRING, "Take the image for this platform", default=""),
        PROGRESS,
        Option("quiet", FLAG, "Print the digest only", "q"),
    ),
    least=2,
    most=2,
    verb="copy",
    also=("image copy",),
)

IMAGES = Command(
    "images",
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    (
        Option("all", FLAG, "Show all images (none are hidden)", "a"),
        Option("digests", FLAG, "Show digests"),
        Option(
            "filter",
            FILTER,
            "Show only what fits KEY=VALUE (dangling, reference …)",
            "f",
            metavar="filter",
        ),
        FORMAT_LIST,
        NO_TRUNC,
        Option("quiet", FLAG, "Print IDs only", "q"),
    ),
    most=1,
    verb="images",
    section=COMMON,
    also=("image ls", "image list"),
)

HISTORY = Command(
    "history",
    "[OPTIONS] IMAGE",
    "Show how an image was made",
    (
        FORMAT_LIST,
        Option("human", FLAG, "Print sizes and times for people", "H", True),
        NO_TRUNC,
        Option("quiet", FLAG, "Print IDs only", "q"),
    ),
    least=1,
    most=1,
    verb="history",
    also=("image history",),
)

TAG = Command(
    "tag",
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Give an image one more name",
    (),
    least=2,
    most=2,
    verb="tag",
    also=("image tag",),
)

RMI = Command(
    "rmi",
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove images",
    (
        Option("force", FLAG, "Remove it even if a stopped container uses it", "f"),
        Option("no-prune", FLAG, "Do not remove untagged parents (no image here has any)"),
    ),
    least=1,
    verb="rmi",
    also=("image rm", "image remove"),
)

IMAGE_PRUNE = Command(
    "image prune",
    "[OPTIONS]",
    "Remove images that nobody uses",
    (
        Option("all", FLAG, "Remove those with names, too, if no container has them", "a"),
        FILTER_PRUNE,
        FORCE_PRUNE,
    ),
    most=0,
    verb="image_prune",
)

IMAGE_INSPECT = Command(
    "image inspect",
    "[OPTIONS] IMAGE [IMAGE...]",
    "Show all that is known of images",
    (FORMAT_F,),
    least=1,
    verb="image_inspect",
)

TABLES = (
    PULL,
    PUSH,
    SAVE,
    LOAD,
    COPY,
    IMAGES,
    HISTORY,
    TAG,
    RMI,
    IMAGE_INSPECT,
    IMAGE_PRUNE,
)
