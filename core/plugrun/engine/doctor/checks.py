"""What one look at the machine found."""

from __future__ import annotations

from plugrun.model.record import record

OK = "ok"
MISSING = "missing"
# Nothing is wrong, but somebody will miss it: an ordinary user, or a backend not in use.
NOTE = "note"


@record
class Check:
    """``found`` is what there is; of what is not OK, ``remedy`` says what to do.

    ``purpose`` is what needs it.
    """

    area: str
    name: str
    state: str
    found: str
    purpose: str = ""
    remedy: str = ""


def read_first(path: str) -> str:
    """Return the first line of a file of the kernel's, nothing if there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""
