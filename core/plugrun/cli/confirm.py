"""The question before much is removed."""

from __future__ import annotations

import sys

from plugrun.cli import output


def confirmed(warning: str) -> bool:
    """Print a warning and ask; only ``y`` or ``yes`` is consent, and the end of input is not."""
    output.write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    output.flush()
    return sys.stdin is not None and sys.stdin.readline().strip().lower() in ("y", "yes")
