"""A matrix file: YAML, strictly read, each wrong value named with its file and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plugrun.config.reading import Marked, describe, nearest, read_marked
from plugrun.errors import ConfigError
from plugrun.matrix.cell import Matrix

_KEYS = ("matrix", "exclude", "include", "require", "through", "extends", "env", "command")
_THROUGH = ("when", "command")
_Values = tuple[tuple[str, str], ...]


def read_matrix(path: str) -> Matrix:
    """Read a matrix file; ConfigError names file, line and what is wrong."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    top = read_marked(text, path)
    if top is None:
        raise ConfigError(f"{path}: is empty", hint="name axes below the key `matrix`")
    return _matrix(_expect(top, dict, "the document"))


def _matrix(top: Marked) -> Matrix:
    _known(top, _KEYS)
    get = top.value.get
    axes = tuple(_axes(get("matrix"))) if "matrix" in top.value else ()
    names = frozenset(name for name, _ in axes)
    include = tuple(_values(one, None) for one in _items(get("include")))
    names |= {name for one in include for name, _ in one}
    if not names:
        raise ConfigError(f"{top.where}: names no axis", hint="name one below the key `matrix`")
    return Matrix(
        axes=axes,
        include=include,
        exclude=tuple(_values(one, names) for one in _items(get("exclude"))),
        require=tuple(_values(one, names) for one in _items(get("require"))),
        through=tuple(_through(one, names) for one in _items(get("through"))),
        extends=_text(get("extends")) if "extends" in top.value else "default",
        env=_values(get("env"), None) if "env" in top.value else (),
        command=tuple(_text(word) for word in _items(get("command"))),
    )


def _axes(marked: Marked) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, values in _expect(marked, dict, '"matrix"').value.items():
        _check_name(name, values)
        found = tuple(_text(value) for value in _items(values))
        if not found:
            raise ConfigError(f'{values.where}: the axis "{name}" has no values')
        if len(set(found)) < len(found):
            raise ConfigError(f'{values.where}: the axis "{name}" has a value twice')
        yield name, found


def _check_name(name: str, marked: Marked) -> None:
    """An axis becomes part of a variable's name in the environment."""
    if not name.isascii() or not name.replace("_", "").replace("-", "").isalnum():
        raise ConfigError(
            f'{marked.where}: "{name}" cannot be an axis: use letters, digits, "-" and "_"'
        )


def _values(marked: Marked, known: frozenset[str] | None) -> _Values:
    found = []
    for name, value in _expect(marked, dict, "a cell").value.items():
        if known is not None and name not in known:
            raise ConfigError(
                f'{value.where}: there is no axis "{name}"{nearest(name, known)}',
                hint=f"known here: {', '.join(sorted(known))}",
            )
        if known is None:
            _check_name(name, value)
        found.append((name, _text(value)))
    if not found:
        raise ConfigError(f"{marked.where}: names no value")
    return tuple(found)


def _through(marked: Marked, names: frozenset[str]) -> tuple[_Values, tuple[str, ...]]:
    _known(_expect(marked, dict, 'an item of "through"'), _THROUGH)
    for key in _THROUGH:
        if key not in marked.value:
            raise ConfigError(f'{marked.where}: an item of "through" needs the key "{key}"')
    words = tuple(_text(word) for word in _items(marked.value["command"]))
    return _values(marked.value["when"], names), words


def _items(marked: Marked | None) -> list[Marked]:
    if marked is None:
        return []
    found: list[Marked] = marked.value if isinstance(marked.value, list) else [marked]
    return found


def _text(marked: Marked) -> str:
    """Return a scalar as it was meant: 3.11 and "3.11" are the same axis value."""
    value = marked.value
    if isinstance(value, str):
        if "\0" in value:
            raise ConfigError(f"{marked.where}: no variable and no argument can hold a NUL byte")
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        raise ConfigError(f"{marked.where}: must be text, found {describe(value)}; quote it")
    return str(value)


def _expect(marked: Marked, kind: type, what: str) -> Marked:
    if not isinstance(marked.value, kind):
        raise ConfigError(
            f"{marked.where}: {what} must be a mapping, found {describe(marked.value)}"
        )
    return marked


def _known(marked: Marked, known: tuple[str, ...]) -> None:
    key: Any
    for key, value in marked.value.items():
        if key not in known:
            raise ConfigError(
                f'{value.where}: unknown key "{key}"{nearest(key, known)}',
                hint=f"known here: {', '.join(known)}",
            )
