"""Runs a parsed template over data."""

from __future__ import annotations

from plugrun.cli.gotemplate.nodes import (
    Branch,
    Call,
    Command,
    Constant,
    Fields,
    Jump,
    Pipeline,
    Text,
    Variable,
)
from plugrun.cli.gotemplate.values import (
    Map,
    NilPointer,
    TemplateError,
    is_true,
    text_of,
    type_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_NOTHING = object()


def evaluate(nodes: tuple[Any, ...], data: Any, functions: Mapping[str, Callable[..., Any]]) -> str:
    """Return the text a template gives for data; raise TemplateError."""
    run = _Run(data, functions)
    run.nodes(nodes, data)
    return "".join(run.parts)


class _Jumped(Exception):
    """Carries ``break`` and ``continue`` out of a body."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Run:
    def __init__(self, data: Any, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.parts: list[str] = []
        self._functions = functions
        self._variables: list[tuple[str, Any]] = [("$", data)]

    def nodes(self, nodes: tuple[Any, ...], dot: Any) -> None:
        """Run a list of nodes with this dot."""
        for node in nodes:
            if isinstance(node, Text):
                self.parts.append(node.text)
            elif isinstance(node, Branch):
                self._branch(node, dot)
            elif isinstance(node, Jump):
                raise _Jumped(node.kind)
            else:
                value = self._pipeline(node, dot)
                if not node.variables:
                    self.parts.append(text_of(value))

    def _scoped(self, nodes: tuple[Any, ...], dot: Any) -> None:
        depth = len(self._variables)
        self.nodes(nodes, dot)
        del self._variables[depth:]

    # -- blocks ---------------------------------------------------------------------------

    def _branch(self, node: Branch, dot: Any) -> None:
        depth = len(self._variables)
        if node.kind == "range":
            self._range(node, dot)
        else:
            value = self._pipeline(node.pipeline, dot)
            if is_true(value):
                self._scoped(node.body, value if node.kind == "with" else dot)
            else:
                self._scoped(node.otherwise, dot)
        del self._variables[depth:]

    def _range(self, node: Branch, dot: Any) -> None:
        bare = Pipeline(node.pipeline.commands)
        items = _items(self._pipeline(bare, dot), node)
        if not items:
            self._scoped(node.otherwise, dot)
            return
        depth = len(self._variables)
        for pair in items:
            names = node.pipeline.variables
            values = pair if len(names) == 2 else pair[1:]
            self._variables.extend(zip(names, values, strict=False))
            try:
                self.nodes(node.body, pair[1])
            except _Jumped as jumped:
                if jumped.kind == "break":
                    break
            finally:
                del self._variables[depth:]

    # -- values ---------------------------------------------------------------------------

    def _pipeline(self, node: Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in node.commands:
            value = self._command(command, dot, value)
        for name in node.variables:
            if node.declares:
                self._variables.append((name, value))
            else:
                self._assign(name, value)
        return value

    def _assign(self, name: str, value: Any) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    def _command(self, command: Command, dot: Any, final: Any) -> Any:
        head, *rest = command.operands
        extra = [] if final is _NOTHING else [final]
        if isinstance(head, Call):
            return self._call(head, command, rest, dot, extra)
        if isinstance(head, Fields) and head.names:
            arguments = [self._operand(operand, dot) for operand in rest] + extra
            return self._fields(head, dot, arguments)
        if rest or extra:
            shown = str(getattr(head, "source", command.source))
            raise _failed(command, f"can't give argument to non-function {shown}")
        return self._operand(head, dot)

    def _call(
        self, head: Call, command: Command, rest: list[Any], dot: Any, extra: list[Any]
    ) -> Any:
        if head.name in ("and", "or"):
            return self._short_circuit(head.name, rest, dot, extra)
        arguments = [self._operand(operand, dot) for operand in rest] + extra
        try:
            return self._functions[head.name](*arguments)
        except TemplateError as error:
            raise _failed(command, f"error calling {head.name}: {error.message}") from None
        except TypeError:
            why = f"wrong number of args for {head.name}: got {len(arguments)}"
            raise _failed(command, why) from None

    def _short_circuit(self, name: str, rest: list[Any], dot: Any, extra: list[Any]) -> Any:
        value: Any = None
        for operand in rest:
            value = self._operand(operand, dot)
            if is_true(value) == (name == "or"):
                return value
        return extra[0] if extra else value

    def _operand(self, node: Any, dot: Any) -> Any:
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Variable):
            return next(v for name, v in reversed(self._variables) if name == node.name)
        if isinstance(node, Fields):
            return self._fields(node, dot, [])
        if isinstance(node, Call):
            return self._functions[node.name]()
        return self._pipeline(node, dot)

    def _fields(self, node: Fields, dot: Any, arguments: list[Any]) -> Any:
        value = dot if node.of is None else self._operand(node.of, dot)
        for name in node.names:
            value = _field(value, name, node, arguments if name is node.names[-1] else [])
        return value


def _field(value: Any, name: str, node: Fields, arguments: list[Any]) -> Any:
    if isinstance(value, dict):
        if name not in value:
            if isinstance(value, Map):
                return None
            raise _at(node, f'map has no entry for key "{name}"')
        found = value[name]
        if callable(found):
            return found(*arguments)
        if arguments:
            raise _at(node, f"{name} is not a method but has arguments")
        return found
    if isinstance(value, NilPointer):
        raise _at(node, f'map has no entry for key "{value.name}"')
    if value is None:
        raise _at(node, f'nil data; no entry for key "{name}"')
    raise _at(node, f"can't evaluate field {name} in type {type_name(value)}")


def _items(value: Any, node: Branch) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(value)]
    if value is None or isinstance(value, NilPointer):
        return []
    raise _failed(node.pipeline.commands[0], f"range can't iterate over {text_of(value)}")


def _at(node: Fields, what: str) -> TemplateError:
    return TemplateError(f'template: :{node.at}: executing "" at <{node.source}>: {what}')


def _failed(command: Command, what: str) -> TemplateError:
    return TemplateError(f'template: :{command.at}: executing "" at <{command.source}>: {what}')
