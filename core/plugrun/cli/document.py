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
    """Return a document by ``--format``, which is not empty."""
    if form == "json":
        return compact(document) + "\n"
    return fill(parse_template(form), document) + "\n"
