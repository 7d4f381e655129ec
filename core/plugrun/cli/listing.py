"""Lists of objects, as a table or by ``--format``."""

from __future__ import annotations

from plugrun.cli.failure import SaidError
from plugrun.cli.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]


# Docker reads the template of ``ps`` twice, and says so in other words.
_PS = "ContainerContext"


def render(
    form: str,
    default: str,
    headers: Mapping[str, Any],
    rows: Sequence[Row],
    raw: str = "",
    kind: str = "",
) -> str:
    """Return rows by ``--format``; ``default`` is the template of the command's own table.

    ``headers`` has the heading of each field, ``raw`` the template of ``raw`` where the command
    has one, ``kind`` what Docker's messages call a row. Raise SaidError if the format is no
    template, or asks for a field that rows do not have.
    """
    if form in ("", "table"):
        return _own_table(default, headers, rows)
    if form == "json":
        return "".join(as_json_line(row) for row in rows)
    if form == "raw" and raw:
        form = raw
    from plugrun.cli.gotemplate import TemplateError

    try:
        # Docker reads the template of ps before it asks for any container.
        return _by_template(form, headers, rows, sample=headers if kind == _PS else None)
    except TemplateError as error:
        message, what = error.message, "template parsing error"
        if kind == _PS:
            what = f"failed to {'parse' if error.parsing else 'execute'} template"
        if kind and "map has no entry for key" in message:
            head, _, field = message.rpartition(": map has no entry for key ")
            field = field.strip('"')
            message = f"{head}: can't evaluate field {field} in type *formatter.{kind}"
        raise SaidError(f"{what}: {message}") from None


def needs(form: str, field: str) -> bool:
    """Whether a format asks for a field; what is costly is only looked up then."""
    return f".{field}" in form


def as_json_line(row: Row) -> str:
    """Return a row as ``--format json`` prints it: as Go's encoder, which escapes for HTML."""
    from plugrun.model.jsontext import dumps

    plain = {key: value for key, value in row.items() if not callable(value)}
    text = dumps(plain, sort_keys=True, ascii=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text + "\n"


def _own_table(default: str, headers: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the command's own table: its template has fields alone, and needs no template."""
    fields = [part.removeprefix("{{.").removesuffix("}}") for part in default.split("\t")]
    cells = [[row[field] for field in fields] for row in rows]
    return table([headers[field] for field in fields], cells)


def _by_template(
    form: str, headers: Mapping[str, Any], rows: Sequence[Row], sample: Row | None
) -> str:
    from plugrun.cli.gotemplate import Template
    from plugrun.cli.table import align

    is_table = form.startswith("table")
    form = form.removeprefix("table").strip() if is_table else form
    template = Template(form.replace("\\t", "\t").replace("\\n", "\n"))
    if sample is not None and not rows:
        template.render(dict(sample))
    lines = [template.render(row) for row in rows]
    if is_table:
        return align("\n".join([template.render_header(headers), *lines])) + "\n"
    return "".join(line + "\n" for line in lines)
