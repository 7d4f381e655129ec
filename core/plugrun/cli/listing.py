"""Lists of objects, as a table or by ``--format``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugrun.cli.failure import SaidError
from plugrun.cli.gotemplate import Template, TemplateError
from plugrun.cli.table import align

Row = Mapping[str, Any]


def render(form: str, default: str, headers: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return rows by ``--format``; ``default`` is the template of the command's own table.

    ``headers`` has the heading of each field. Raise SaidError if the format is no template, or
    asks for a field that rows do not have.
    """
    if form == "json":
        form = "{{json .}}"
    if form in ("", "table"):
        form = "table " + default
    try:
        if form.startswith("table"):
            return _table(form.removeprefix("table").strip(), headers, rows)
        template = Template(_unescaped(form))
        return "".join(template.render(row) + "\n" for row in rows)
    except TemplateError as error:
        doing = "parse" if error.parsing else "execute"
        raise SaidError(f"failed to {doing} template: {error.message}") from None


def _table(form: str, headers: Mapping[str, Any], rows: Sequence[Row]) -> str:
    template = Template(_unescaped(form))
    lines = [template.render(row) for row in rows]
    return align("\n".join([template.render_header(headers), *lines])) + "\n"


def _unescaped(form: str) -> str:
    return form.replace("\\t", "\t").replace("\\n", "\n")
