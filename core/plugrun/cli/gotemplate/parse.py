"""Reads a template's tokens into nodes; complaints are Go's."""

from __future__ import annotations

import ast

from plugrun.cli.gotemplate import lex
from plugrun.cli.gotemplate.lex import Token, fault
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
from plugrun.cli.gotemplate.values import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_BLOCKS = frozenset(("if", "range", "with"))
_CONSTANTS = {"true": True, "false": False, "nil": None}


def parse(source: str, functions: Mapping[str, Callable[..., Any]]) -> tuple[Any, ...]:
    """Return a template's nodes; raise TemplateError."""
    parser = _Parser(source, functions)
    nodes, _ = parser.block(())
    return nodes


class _Parser:
    def __init__(self, source: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._source = source
        self._functions = functions
        self._tokens = list(lex.lex(source))
        self._next = 0
        self._variables = ["$"]
        self._loops = 0

    # -- tokens ---------------------------------------------------------------------------

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _skip_space(self) -> Token:
        while self._peek().kind == lex.SPACE:
            self._next += 1
        return self._peek()

    def _place(self, token: Token) -> str:
        return lex.place(self._source, token.at)

    def _fault(self, what: str) -> TemplateError:
        return fault(self._source, self._peek().at, what)

    def _unexpected(self, context: str) -> TemplateError:
        token = self._peek()
        shown = "EOF" if token.kind == lex.END else f'"{token.text}"'
        return self._fault(f"unexpected {shown} in {context}")

    # -- blocks ---------------------------------------------------------------------------

    def block(self, enders: tuple[str, ...]) -> tuple[tuple[Any, ...], str]:
        """Read nodes up to one of these words (its own token taken), or to the end."""
        nodes: list[Any] = []
        while True:
            token = self._take()
            if token.kind == lex.TEXT:
                nodes.append(Text(token.text))
            elif token.kind == lex.END:
                if enders:
                    raise fault(self._source, token.at, "unexpected EOF")
                return tuple(nodes), ""
            else:
                word = self._skip_space()
                if word.kind == lex.WORD and word.text in ("end", "else"):
                    self._take()
                    if word.text not in enders:
                        raise self._fault(f"unexpected {{{{{word.text}}}}}")
                    return tuple(nodes), word.text
                nodes.append(self._action())

    def _action(self) -> Any:
        token = self._peek()
        if token.kind == lex.WORD and token.text in _BLOCKS:
            self._take()
            return self._branch(token.text)
        if token.kind == lex.WORD and token.text in ("break", "continue"):
            self._take()
            if not self._loops:
                raise self._fault(f"{{{{{token.text}}}}} outside {{{{range}}}}")
            self._close(token.text)
            return Jump(token.text)
        pipeline = self._pipeline("command")
        self._close("command")
        return pipeline

    def _branch(self, kind: str) -> Branch:
        depth = len(self._variables)
        pipeline = self._pipeline(kind)
        self._close(kind)
        self._loops += kind == "range"
        body, end = self.block(("end", "else"))
        self._loops -= kind == "range"
        otherwise: tuple[Any, ...] = ()
        if end == "else":
            otherwise = self._otherwise(kind)
        else:
            self._close("end")
        del self._variables[depth:]
        return Branch(kind, pipeline, body, otherwise)

    def _otherwise(self, kind: str) -> tuple[Any, ...]:
        word = self._skip_space()
        if word.kind == lex.WORD and word.text == kind and kind in ("if", "with"):
            self._take()
            return (self._branch(kind),)
        self._close("else")
        body, _ = self.block(("end",))
        self._close("end")
        return body

    def _close(self, context: str) -> None:
        if self._skip_space().kind != lex.CLOSE:
            raise self._unexpected(context)
        self._take()

    # -- pipelines ------------------------------------------------------------------------

    def _pipeline(self, context: str) -> Pipeline:
        variables, declares = self._assigned(context)
        commands = [self._command(context)]
        while self._skip_space().text == "|" and self._peek().kind == lex.MARK:
            self._take()
            commands.append(self._command(context))
        if declares:
            self._variables.extend(variables)
        for stage, command in enumerate(commands[1:], start=2):
            if isinstance(command.operands[0], Constant):
                raise self._fault(f"non executable command in pipeline stage {stage}")
        return Pipeline(tuple(commands), variables, declares)

    def _assigned(self, context: str) -> tuple[tuple[str, ...], bool]:
        """Read ``$x :=``, ``$x =`` or, in a range, ``$i, $x :=`` if that is what comes."""
        start = self._next
        names: list[str] = []
        while self._skip_space().kind == lex.VARIABLE:
            names.append(self._take().text)
            mark = self._skip_space()
            if mark.text == "," and context == "range" and len(names) == 1:
                self._take()
            elif mark.kind == lex.MARK and mark.text in (":=", "="):
                self._take()
                if mark.text == "=":
                    self._check_known(names)
                return tuple(names), mark.text == ":="
            else:
                break
        self._next = start
        return (), False

    def _check_known(self, names: list[str]) -> None:
        for name in names:
            if name not in self._variables:
                raise self._fault(f'undefined variable "{name}"')

    def _command(self, context: str) -> Command:
        operands: list[Any] = []
        first = self._skip_space()
        end = first.at
        while True:
            token = self._skip_space()
            if token.kind in (lex.CLOSE, lex.END) or token.text in ("|", ")"):
                break
            if operands and self._tokens[self._next - 1].kind != lex.SPACE:
                raise self._unexpected("operand")
            operands.append(self._operand(context))
            last = self._tokens[self._next - 1]
            end = last.at + len(last.text)
        if not operands:
            raise self._fault(f"missing value for {context}")
        return Command(tuple(operands), self._source[first.at : end], self._place(first))

    def _operand(self, context: str) -> Any:
        token = self._take()
        if token.kind == lex.FIELD:
            return self._fields(None, token)
        if token.kind == lex.DOT:
            return Fields(None, (), self._place(token), ".")
        if token.kind == lex.VARIABLE:
            if token.text not in self._variables:
                self._next -= 1
                raise self._fault(f'undefined variable "{token.text}"')
            return self._chained(Variable(token.text), token)
        if token.kind == lex.MARK and token.text == "(":
            pipeline = self._pipeline("parenthesized pipeline")
            if self._skip_space().text != ")":
                raise self._unexpected("parenthesized pipeline")
            self._take()
            return self._chained(pipeline, token)
        return self._word(token)

    def _word(self, token: Token) -> Any:
        if token.kind in (lex.STRING, lex.NUMBER):
            return Constant(self._constant(token), token.text)
        if token.kind == lex.WORD and token.text in _CONSTANTS:
            return Constant(_CONSTANTS[token.text], token.text)
        if token.kind == lex.WORD and token.text in self._functions:
            return Call(token.text)
        self._next -= 1
        if token.kind == lex.WORD:
            raise self._fault(f'function "{token.text}" not defined')
        raise self._unexpected("operand")

    def _chained(self, of: Variable | Pipeline, token: Token) -> Any:
        if self._peek().kind != lex.FIELD:
            return of
        return self._fields(of, token)

    def _fields(self, of: Variable | Pipeline | None, first: Token) -> Fields:
        taken = [first] if of is None else []
        while self._peek().kind == lex.FIELD:
            taken.append(self._take())
        place = taken[1] if of is None and len(taken) > 1 else taken[0]
        last = taken[-1]
        return Fields(
            of,
            tuple(token.text[1:] for token in taken),
            self._place(place),
            self._source[first.at : last.at + len(last.text)],
        )

    def _constant(self, token: Token) -> Any:
        if token.kind == lex.NUMBER:
            return float(token.text) if _is_float(token.text) else int(token.text, 0)
        if token.text[0] == "`":
            return token.text[1:-1]
        try:
            value = ast.literal_eval(token.text)
        except (SyntaxError, ValueError):
            self._next -= 1
            raise self._fault("invalid syntax") from None
        return ord(value) if token.text[0] == "'" and len(value) == 1 else value


def _is_float(text: str) -> bool:
    return "x" not in text.lower() and any(c in text for c in ".eE")
