"""The part of Go's text/template that ``--format`` needs, with Docker's functions.

Source: pkg.go.dev/text/template. Data is what JSON has: a ``dict`` stands for a Go struct, whose
fields must exist; a ``Map`` for a Go map, which answers ``<no value>`` for what it lacks.
"""

from __future__ import annotations

from plugrun.cli.gotemplate.evaluate import evaluate
from plugrun.cli.gotemplate.functions import FUNCTIONS, header_functions
from plugrun.cli.gotemplate.parse import parse
from plugrun.cli.gotemplate.values import Map, TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["Map", "Template", "TemplateError"]


class Template:
    """A parsed template; TemplateError, in Go's words, if it is not one."""

    def __init__(self, text: str) -> None:
        self._nodes = parse(text, FUNCTIONS)

    def render(self, data: Any) -> str:
        """Return the text for one value."""
        return evaluate(self._nodes, data, FUNCTIONS)

    def render_header(self, headers: Mapping[str, str | Callable[..., str]]) -> str:
        """Return the line above a table: functions hand on what they are given."""
        return evaluate(self._nodes, Map(headers), header_functions())
