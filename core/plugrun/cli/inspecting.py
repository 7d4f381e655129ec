"""``inspect`` over several objects: what is found is printed, then what is not."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.document import compact, fill, parse_template, pretty
from plugrun.cli.failure import SaidError, describe
from plugrun.cli.gotemplate import Template
from plugrun.errors import PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def inspect_all(names: Sequence[str], form: str, find: Callable[[str], dict[str, Any]]) -> int:
    """Print the documents that ``find`` gives; return 0, or 1 if one was not found."""
    template = parse_template(form) if form not in ("", "json") else None
    documents, errors = [], []
    for name in names:
        try:
            documents.append(find(name))
        except PlugrunError as error:
            errors.append(describe(error))
    if template is not None:
        errors += _fill_all(template, documents)
    else:
        output.line(compact(documents) if form == "json" else pretty(documents))
    for text in errors:
        output.error(text)
    return 1 if errors else 0


def _fill_all(template: Template, documents: Sequence[dict[str, Any]]) -> list[str]:
    """Print each document by a template; return why some could not be."""
    filled, errors = [], []
    for document in documents:
        try:
            filled.append(fill(template, document))
        except SaidError as error:
            errors.append(error.message)
    # Docker ends its output with a line even where there is nothing to say.
    output.write("".join(f"{text}\n" for text in filled) or "\n")
    return errors
