"""Cells of a matrix as data: what each is made of, and what came of it."""

from __future__ import annotations

from plugrun.model.record import record

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"
TIMED_OUT = "timed out"
INTERRUPTED = "interrupted"
STATES = (PASSED, FAILED, TIMED_OUT, INTERRUPTED, SKIPPED)

# The axes that choose something of plugrun's; any other is the command's own.
PROFILE = "profile"
STORAGE = "storage"
ISOLATION = "isolation"
NETWORK = "network"
CGROUP = "cgroup"
PARTS = (STORAGE, ISOLATION, NETWORK, CGROUP)
OURS = (PROFILE, *PARTS)


NAME_VARIABLE = "PLUGRUN_MATRIX_CELL"


def variable(axis: str) -> str:
    """Return the variable of the environment in which a command finds its value on an axis."""
    return f"PLUGRUN_MATRIX_{axis.upper().replace('-', '_')}"


@record
class Cell:
    """One combination. ``axes`` are pairs of an axis and this cell's value, in the matrix's order.

    ``config`` is the file that has its profile and ``profile`` the profile's name; both are empty
    where the axes make a profile of their own. ``adjusted`` is that the axes change the profile
    that is named. ``required`` cells may not be skipped. ``through`` is a command that runs the
    cell's command elsewhere (in a virtual machine, say).
    """

    name: str
    axes: tuple[tuple[str, str], ...]
    config: str = ""
    profile: str = ""
    adjusted: bool = False
    required: bool = False
    through: tuple[str, ...] = ()

    def value(self, axis: str) -> str:
        """Return the value on one axis; empty if the cell has none."""
        return dict(self.axes).get(axis, "")


@record
class Result:
    """What came of a cell. ``reason`` says why it was skipped, or how it failed.

    ``code`` is the command's exit code, 128 + n if signal n ended it, and -1 if it never ran.
    ``seconds`` is how long it took, ``began`` the time since the epoch. ``log`` is the file
    that has all it wrote.
    """

    cell: Cell
    state: str
    code: int = -1
    seconds: float = 0.0
    began: float = 0.0
    reason: str = ""
    log: str = ""

    @property
    def bad(self) -> bool:
        """Whether the whole matrix fails with it."""
        return self.state != PASSED and (self.state != SKIPPED or self.cell.required)


@record
class Matrix:
    """What a matrix file says. ``axes`` has the values of each axis, in the file's order.

    A cell is out if it has all values of one of ``exclude``. ``include`` are further cells.
    ``files`` are pairs of a value of the axis ``profile`` and the file that has it; the other
    values of that axis are names in the configuration. ``places`` says where the file has each of
    those names, and that of ``extends``.
    Those with all values of one of ``require`` must run. ``through`` are pairs of values and the
    command that cells with all of them run through. ``extends`` is the profile the cells
    start from, ``env`` what is set for the command.
    """

    axes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[tuple[tuple[str, str], ...], ...] = ()
    include: tuple[tuple[tuple[str, str], ...], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    require: tuple[tuple[tuple[str, str], ...], ...] = ()
    through: tuple[tuple[tuple[tuple[str, str], ...], tuple[str, ...]], ...] = ()
    extends: str = "default"
    env: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
