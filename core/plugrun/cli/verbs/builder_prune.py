"""``plugrun builder prune``."""

from __future__ import annotations

from plugrun.cli.filters import read_filters, read_until
from plugrun.cli.options import Parsed
from plugrun.cli.pruning import confirmed, report
from plugrun.engine.build.kept import Kept, prune_builds
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.request import GlobalOptions

_KNOWN = frozenset(("until", "unused-for", "type", "id", "description", "shared", "inuse"))
_DANGLING = "WARNING! This will remove all dangling build cache."
_ALL = "WARNING! This will remove all build cache."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove what builds keep, and print what that was."""
    v = parsed.values
    filters = read_filters(v["filter"], _KNOWN)
    until = read_until({"until": filters.get("until", ()) or filters.get("unused-for", ())})

    def wanted(one: Kept) -> bool:
        facts = {
            "type": one.kind,
            "id": one.id,
            "description": one.description,
            "shared": "true" if one.in_use else "false",
            "inuse": "false",
        }
        if until is not None and one.used_ns > until:
            return False
        given = {key: values for key, values in filters.items() if key in facts}
        return all(_fits(key, facts[key], values) for key, values in given.items())

    engine = open_healed(options)
    if v["force"] or confirmed(_ALL if v["all"] else _DANGLING):
        heal_storage(engine)
        keep = v["keep_storage"]
        report(("build cache objects", prune_builds(engine, v["all"], wanted, keep)))
    return 0


def _fits(key: str, fact: str, values: tuple[str, ...]) -> bool:
    if key == "id":
        return any(fact.startswith(value) for value in values)
    if key == "description":
        return any(value in fact for value in values)
    return fact in values
