"""``system check``: everything below a root held against everything else.

Nothing is changed unless asked: then what can be repaired is, one finding after another, and what
cannot stays as it was found. Pulls and creations wait meanwhile (the lock ``images``), so that
what they are making is taken for no fault.
"""

from __future__ import annotations

from plugrun.engine.check.blobs import check_blobs, check_images
from plugrun.engine.check.findings import Finding, found
from plugrun.engine.check.leftovers import check_leftovers
from plugrun.engine.check.networks import check_networks
from plugrun.engine.check.roots import check_roots
from plugrun.engine.check.storages import check_storages
from plugrun.errors import Corrupt, PlugrunError
from plugrun.model.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.engine.check.findings import Found
    from plugrun.engine.engine import Engine

_BACKUP = "restore plugrun.db from a backup, or move it away: images are pulled again when needed"


@record
class Checked:
    """One finding and what became of it: ``repaired``, or why that did not succeed."""

    finding: Finding
    repaired: bool = False
    error: str = ""


def check(engine: Engine, *, quick: bool, repair: bool) -> Iterator[Checked]:
    """Yield what is wrong; with ``repair`` each after it was attended to.

    ``quick`` takes blobs for what their names say; otherwise all are read.
    """
    damage = list(_check_database(engine))
    for one in damage:
        yield Checked(one.finding)
    if damage:
        return  # nothing else can be told without it
    with engine.locks.exclusive("images"):
        # Blobs before storages: what is unpacked anew is read from them.
        for part in (
            lambda: check_blobs(engine, quick=quick),
            lambda: check_images(engine),
            lambda: check_storages(engine),
            lambda: check_leftovers(engine),
            lambda: check_roots(engine),
            lambda: check_networks(engine),
        ):
            yield from _attended(part, repair=repair)


def _attended(part: Callable[[], Iterator[Found]], *, repair: bool) -> Iterator[Checked]:
    # All of a part is known before anything is changed.
    for one in list(part()):
        if one.act is None or not repair:
            yield Checked(one.finding)
            continue
        try:
            one.act()
        except (PlugrunError, OSError) as error:
            yield Checked(one.finding, error=getattr(error, "message", "") or str(error))
        else:
            yield Checked(replace(one.finding), repaired=True)


def _check_database(engine: Engine) -> Iterator[Found]:
    path = f"{engine.root}/plugrun.db"
    try:
        wrong = engine.metadata.faults()
    except Corrupt as error:
        wrong = [error.message]
    for text in wrong:
        yield found("database", path, text, _BACKUP)
