"""Whole documents: ``inspect``, ``version``, ``info``; as JSON or by a template."""

from __future__ import annotations

import json

from plugrun.cli.failure import SaidError
from plugrun.cli.gotemplate import Template, TemplateError
from plugrun.cli.typed import typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_BAD_TEMPLATE = 64


def pretty(value: Any) -> str:
    """Return JSON as Docker prints it: indented by four, nothing escaped."""
    return json.dumps(value, indent=4, ensure_ascii=False)


def compact(value: Any) -> str:
    """Return JSON on one line."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def parse_template(text: str) -> Template:
    """Return a template; SaidError with Docker's code 64 if it is none."""
    try:
        return Template(text)
    except TemplateError as error:
        raise SaidError(f"template parsing error: {error.message}", code=_BAD_TEMPLATE) from None


def fill(template: Template, document: Mapping[str, Any]) -> str:
    """Return one document by a template; SaidError if it asks for what is not there."""
    try:
        return template.render(typed(document))
    except TemplateError as error:
        raise SaidError(f"template parsing error: {error.message}") from None


def show_document(document: Mapping[str, Any], form: str) -> str:
    """Return a document by ``--format``, or as an outline."""
    if form == "json":
        return compact(document) + "\n"
    return fill(parse_template(form), document) + "\n" if form else outline(document)


def outline(value: Mapping[str, Any], depth: int = 0) -> str:
    """Return a document for people: one ``Key: value`` a line, what belongs to it below."""
    text = ""
    for key, item in value.items():
        if isinstance(item, dict):
            text += f"{' ' * depth}{key}:\n{outline(item, depth + 1)}"
        else:
            text += f"{' ' * depth}{key}: {_inline(item)}".rstrip() + "\n"
    return text


def _inline(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return str(value)
