"""``inspect`` over several objects: what is found is printed, then what is not."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.document import compact, fill, parse_template, pretty
from plugrun.cli.failure import describe
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
        for document in documents:
            output.line(fill(template, document))
        if not documents:
            output.line("")
    else:
        output.line(compact(documents) if form == "json" else pretty(documents))
    for text in errors:
        output.error(text)
    return 1 if errors else 0
