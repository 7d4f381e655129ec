"""Names for images whose source has none."""

from __future__ import annotations

import os

from plugrun_archive_tar.layout import full_name


def local_name(path: str, tag: str) -> str:
    """Return ``localhost/NAME:TAG`` after a file's or folder's name; nothing if that is none."""
    base = os.path.basename(os.path.abspath(path))
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in base.lower()).split()
    name = "-".join(words)[:100].rstrip("-") or "archive"
    return full_name(f"localhost/{name}:{tag}") if tag else ""
