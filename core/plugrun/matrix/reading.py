"""A matrix file: YAML, strictly read, each wrong value named with its file and line."""

from __future__ import annotations

import difflib
import glob
import itertools
import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

from plugrun.config.reading import Marked, describe, nearest, read_marked
from plugrun.errors import ConfigError, InvalidArgument
from plugrun.matrix.cell import NAME_VARIABLE, OURS, PROFILE, Matrix, variable
from plugrun.matrix.plan import check_count

_KEYS = ("matrix", "exclude", "include", "require", "through", "extends", "env", "command")
_THROUGH = ("when", "command")
_Values = tuple[tuple[str, str], ...]
_ALIKE = 0.75  # of two words, as difflib tells it: what has a letter wrong, not what rhymes


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
    files: dict[str, str] = {}
    places: dict[str, str] = {}
    axes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    if "matrix" in top.value:
        axes = tuple(_axes(top.value["matrix"], '"matrix"', files, places))
    names = frozenset(name for name, _ in axes)
    included = [tuple(_axes(one, "a cell", files, places)) for one in _items(get("include"))]
    include = tuple(values for one in included for values in products(one))
    names |= {name for one in included for name, _ in one}
    if not names:
        raise ConfigError(f"{top.where}: names no axis", hint="name one below the key `matrix`")
    extends = get("extends", Marked("default", ""))
    places.setdefault(_text(extends), extends.where)
    return Matrix(
        axes=axes,
        include=include,
        files=tuple(files.items()),
        places=tuple(places.items()),
        exclude=tuple(_values(one, names) for one in _items(get("exclude"))),
        require=_required(get("require"), names),
        through=tuple(_through(one, names) for one in _items(get("through"))),
        extends=_text(extends),
        env=_environment(get("env")) if "env" in top.value else (),
        command=tuple(_text(word) for word in _items(get("command"))),
    )


def products(axes: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[_Values]:
    """Yield every combination of the axes' values; InvalidArgument if they are too many."""
    named = list(axes)
    check_count(math.prod(len(values) for _, values in named))
    names = [name for name, _ in named]
    for values in itertools.product(*(values for _, values in named)):
        yield tuple(zip(names, values, strict=True))


def doubtful(axes: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each axis of the command's own that is nearly spelled as one of ours."""
    for name in dict.fromkeys(axes):
        like = difflib.get_close_matches(name.lower(), OURS, 1, _ALIKE) if name not in OURS else ()
        if like:
            yield (
                f'the axis "{name}" chooses nothing of plugrun\'s (the command finds it in '
                f'its environment); did you mean "{like[0]}"?'
            )


def said_values(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what a word of the command line says of a cell: ``storage=cow,python=3.12``."""
    found = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not (equals and value and _is_axis(name)):
            raise InvalidArgument(f'invalid cell "{text}": it must be AXIS=VALUE[,AXIS=VALUE...]')
        found.append((name, (value,)))
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        raise InvalidArgument(f'invalid cell "{text}": an axis twice')
    for number, name in enumerate(names):
        clash = _clash(name, names[:number])
        if clash:
            raise InvalidArgument(f'invalid cell "{text}": {clash}')
    return tuple(found)


def is_pattern(profile: str) -> bool:
    """Whether a value of the axis ``profile`` stands for files, and is not a name."""
    return any(c in profile for c in "*?[/") or profile.endswith(".yaml")


def profile_values(values: Iterable[str], files: dict[str, str], where: str) -> tuple[str, ...]:
    """Return the values of the axis ``profile``: a pattern stands for the files that fit it, each
    of which is called by its name and kept in ``files``."""
    found = []
    for value in values:
        if not is_pattern(value):
            found.append(value)
            continue
        paths = sorted(glob.glob(value))
        if not paths:
            raise ConfigError(f"{where}: {value}: no such file")
        for path in paths:
            name = os.path.basename(path).removesuffix(".yaml")
            if files.setdefault(name, os.path.abspath(path)) != os.path.abspath(path):
                raise ConfigError(f"{where}: {files[name]} and {path} are both called {name}")
            found.append(name)
    return tuple(found)


def _axes(
    marked: Marked, what: str, files: dict[str, str], places: dict[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    before: list[str] = []
    for name, values in _expect(marked, dict, what).value.items():
        _check_name(name, values, before)
        before.append(name)
        found = tuple(_text(value) for value in _items(values))
        if name == PROFILE:
            for value in _items(values):
                places.setdefault(_text(value), value.where)
            found = profile_values(found, files, values.where)
        if not found:
            raise ConfigError(f'{values.where}: the axis "{name}" has no values')
        if len(set(found)) < len(found):
            raise ConfigError(f'{values.where}: the axis "{name}" has a value twice')
        yield name, found


def _check_name(name: str, marked: Marked, before: list[str]) -> None:
    """An axis becomes part of a variable's name in the environment."""
    if not _is_axis(name):
        raise ConfigError(
            f'{marked.where}: "{name}" cannot be an axis: use letters, digits, "-" and "_"'
        )
    clash = _clash(name, before)
    if clash:
        raise ConfigError(f"{marked.where}: {clash}", hint="give the axis another name")


def _clash(name: str, before: Iterable[str]) -> str:
    """Say what else the variable of an axis holds; nothing if it is the axis's own."""
    own = variable(name)
    if own == NAME_VARIABLE:
        return f'"{name}" cannot be an axis: {own} is the cell\'s name'
    for other in before:
        if variable(other) == own:
            return f'the axes "{other}" and "{name}" would both be {own}'
    return ""


def _is_axis(name: str) -> bool:
    return name.isascii() and name.replace("_", "").replace("-", "").isalnum()


def _environment(marked: Marked) -> _Values:
    pairs = _expect(marked, dict, '"env"').value.items()
    for name, value in pairs:
        if not name or "=" in name or "\0" in name:
            raise ConfigError(f'{value.where}: "{name}" cannot be a variable\'s name')
    return tuple((name, _text(value)) for name, value in pairs)


def _required(marked: Marked | None, known: frozenset[str]) -> tuple[_Values, ...]:
    """Return the values of cells that must run; a cell without any, or ``true``, is every one."""
    if marked is not None and marked.value is True:
        return ((),)
    return tuple(() if one.value == {} else _values(one, known) for one in _items(marked))


def _values(marked: Marked, known: frozenset[str]) -> _Values:
    found = []
    for name, value in _expect(marked, dict, "a cell").value.items():
        if name not in known:
            raise ConfigError(
                f'{value.where}: there is no axis "{name}"{nearest(name, known)}',
                hint=f"known here: {', '.join(sorted(known))}",
            )
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
