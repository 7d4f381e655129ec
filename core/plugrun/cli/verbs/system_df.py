"""``plugrun system df``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.dfviews import (
    SUMMARY_HEADERS,
    SUMMARY_TABLE,
    detailed_document,
    details,
    storages,
    summary,
)
from plugrun.cli.listing import as_json_line, render
from plugrun.cli.options import Parsed
from plugrun.engine.diskusage import disk_usage
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print how much everything takes, and how much of it nobody uses."""
    v = parsed.values
    engine = open_healed(options)
    usage = disk_usage(engine)
    form = v["format"]
    if not v["verbose"]:
        output.write(render(form, SUMMARY_TABLE, SUMMARY_HEADERS, summary(usage)))
        if usage.storages and form in ("", "table"):
            output.write(f"\n{storages(usage)}")
    elif form in ("", "table"):
        output.write(details(engine, usage))
    elif form == "json":
        output.write(as_json_line(detailed_document(engine, usage)))
    else:
        from plugrun.cli.document import fill, parse_template

        output.line(fill(parse_template(form), detailed_document(engine, usage)))
    return 0
