"""What the server's command line comes down to (see ``argv``)."""

from __future__ import annotations

import os
import resource
import sys

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.session import Session
from plugrun_storage_fuse.server.union import Union

# For a mount that shows other owners (``Mount.ids``). Without it the kernel says of each request
# whose it is; with it only of those that make a file, and the others are as if an ordinary user's.
WITH_IDS = "with-ids"


def main() -> None:
    """Serve the union that the command line names, on descriptor 0."""
    lower = [word[10:] for word in sys.argv[1:] if word.startswith("lowerdir+=")]
    upper = "".join(word[9:] for word in sys.argv[1:] if word.startswith("upperdir="))
    work = "".join(word[8:] for word in sys.argv[1:] if word.startswith("workdir="))
    without = [int(word[8:]) for word in sys.argv[1:] if word.startswith("without=")]
    if sys.argv[-1] != WITH_IDS:
        without.append(wire.ALLOW_IDMAP)
    serve(0, lower, upper, work, sum(without))
    # Whoever waits for the layers to be free should not wait for an interpreter's tidying up.
    sys.stderr.flush()
    os._exit(0)


def serve(device: int, lower: list[str], upper: str, work: str, without: int = 0) -> None:
    """Serve a union until its last mount has gone; ``without`` are INIT flags not to use."""
    os.umask(0)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        union = Union(lower, upper, work, most // 2)
    except OSError as error:
        from plugrun_storage_fuse.server.refusal import explained

        sys.exit(explained([*lower, upper, work], error))
    Session(union, device, without).serve()
