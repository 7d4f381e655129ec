"""The hooks: what plugrun calls. Work is imported when it is wanted."""

from __future__ import annotations

from plugrun.api import Option


def plugrun_options():
    """Declare what a profile may set below ``options: {storage: {erofs: …}}``."""
    return (
        Option("loop", "boolean", False, "read images through loop devices, also where the kernel "
               "needs none"),
    )  # fmt: skip


def plugrun_open_storage(root, options=None):
    """Open the storage whose state lies in the folder ``root``; called at every start."""
    from plugrun_erofs.storage import ErofsStorage

    return ErofsStorage(root, loop=bool(options and options["loop"]))
