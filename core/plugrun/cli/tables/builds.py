"""Commands about building images."""

from __future__ import annotations

from plugrun.cli.options import BYTES, FILTER, FLAG, INT, LABEL, LIST, STRING, Command, Option
from plugrun.cli.tables.shared import COMMON, FORCE_PRUNE, PROGRESS

_STEPS = (
    Option("add-host", LIST, "Add a line to /etc/hosts of RUN: NAME:ADDRESS"),
    Option("cgroup-parent", STRING, "Cgroup to make those of RUN in", default=""),
    Option("cpu-period", INT, "Length of a CPU quota's period in microseconds", default=0),
    Option("cpu-quota", INT, "CPU time in each period in microseconds", default=0),
    Option("cpu-shares", INT, "Share of CPU time, relative to others", "c", 0),
    Option("cpuset-cpus", STRING, "CPUs to run on (0-3, 0,1)", default=""),
    Option("cpuset-mems", STRING, "Memory nodes to use (0-3, 0,1)", default=""),
    Option("memory", BYTES, "Limit memory of each RUN", "m", 0),
    Option("network", STRING, "Network of RUN: a name, default, none or host", default="default"),
    Option("shm-size", BYTES, "Size of /dev/shm in RUN", default=0),
    Option("ulimit", LIST, "Set a limit of setrlimit(2): NAME=SOFT[:HARD]", metavar="ulimit"),
)


def _accepted(name: str, kind: str = FLAG) -> Option:
    """Return an option of Docker's that changes nothing here, and that scripts have."""
    default = True if name == "rm" else "" if kind == STRING else None
    return Option(name, kind, "Accepted for Docker's sake", default=default, hidden=True)


BUILD = Command(
    "build",
    "[OPTIONS] PATH | URL | -",
    "Build an image from a Dockerfile",
    (
        *_STEPS,
        Option("annotation", LIST, "Add an annotation to the image's manifest: KEY=VALUE"),
        Option("build-arg", LIST, "Set a variable that the Dockerfile declares with ARG"),
        Option("cache-from", LIST, "Find steps in this image, too, if it has its cache in it"),
        Option("cache-to", LIST, "type=inline: put into the image what --cache-from needs"),
        _accepted("compress"),
        Option("file", STRING, "The Dockerfile (default: PATH/Dockerfile)", "f", ""),
        _accepted("force-rm"),
        Option("iidfile", STRING, "Write the image's ID to this file", default=""),
        Option("keep-failed", FLAG, "Keep the files of a RUN that fails, as an image to look into"),
        Option("label", LABEL, "Attach a label to the image"),
        _accepted("load"),
        *(_accepted(name, LIST) for name in ("allow", "attest", "build-context", "security-opt")),
        *(_accepted(name, STRING) for name in ("builder", "call", "isolation", "provenance")),
        *(_accepted(name, STRING) for name in ("sbom", "memory-swap")),
        _accepted("check"),
        _accepted("disable-content-trust"),
        Option("push", FLAG, "Push the image to where it is named for"),
        Option("metadata-file", STRING, "Write ID, digest and names to this file", default=""),
        Option("no-cache", FLAG, "Do every step again"),
        Option("no-cache-filter", LIST, "Do every step of these stages again"),
        Option("output", LIST, "Where to: type=image|registry|local|tar|docker|oci,dest=PATH", "o"),
        Option("platform", STRING, "Build for this platform", default=""),
        PROGRESS,
        Option("pull", FLAG, "Ask the registry for newer base images"),
        Option("quiet", FLAG, "Print the image's ID only", "q"),
        _accepted("rm"),
        Option("secret", LIST, "Give RUN a secret: id=NAME,src=FILE or id=NAME,env=VARIABLE"),
        Option("squash", FLAG, "Make one layer of all that is built"),
        Option("ssh", LIST, "Give RUN an SSH agent, or one with keys: ID[=SOCKET|KEY,...]"),
        Option("tag", LIST, "Name the image: NAME[:TAG]", "t"),
        Option("target", STRING, "Build up to this stage", default=""),
    ),
    least=1,
    most=1,
    verb="build",
    section=COMMON,
    also=("image build", "builder build", "buildx build"),
)

BUILDER_PRUNE = Command(
    "builder prune",
    "[OPTIONS]",
    "Remove what builds keep for the next one",
    (
        Option("all", FLAG, "Remove what images still have, too", "a"),
        Option(
            "filter",
            FILTER,
            "Remove only what fits KEY=VALUE (until, type, id, description)",
            metavar="filter",
        ),
        FORCE_PRUNE,
        Option(
            "keep-storage",
            BYTES,
            "Keep the newest up to this size",
            default=0,
            aliases=("reserved-space", "max-used-space"),
        ),
    ),
    most=0,
    verb="builder_prune",
    also=("buildx prune",),
)

TABLES = (BUILD, BUILDER_PRUNE)
