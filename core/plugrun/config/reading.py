"""One YAML document, strictly: every value keeps its line, every wrong one is named with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import yaml

from plugrun.errors import ConfigError
from plugrun.model.profile import HOOKS, KINDS, USERNS
from plugrun.model.record import record

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PROFILE_KEYS = ("extends", *KINDS, HOOKS, USERNS, "options")
_DEPTH = 12
_MOST = 100_000  # values of one document, those behind an alias each time that it stands there


@record
class Marked:
    """A value and where it stands. In a mapping the key's place is kept, in a list the item's."""

    value: Any  # plain scalar, list[Marked] or dict[str, Marked]
    where: str


@record
class Document:
    """One file's contents, checked in form but not resolved."""

    profile: Marked | None
    profiles: dict[str, Marked]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean "x"?)`` for the known name that resembles a wrong one."""
    found = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f' (did you mean "{found[0]}"?)' if found else ""


def read(text: str, file: str) -> Document:
    """Read one document; ``file`` names it in messages."""
    root = read_marked(text, file)
    if root is None:
        return Document(None, {})
    top = _expect(root, dict, "the document")
    _known_keys(top, ("profile", "profiles"), "")
    profile = top.value.get("profile")
    if profile is not None:
        _expect(profile, str, '"profile"')
    profiles = top.value.get("profiles", Marked({}, root.where))
    for name, body in _expect(profiles, dict, '"profiles"').value.items():
        _check_profile(name, body)
    return Document(profile, profiles.value)


def read_marked(text: str, file: str) -> Marked | None:
    """Return a document's values with their places, or None if it is empty."""
    try:
        _check_depth(text, file)
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else _Values(file).convert(node, _at(file, node.start_mark), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _at(file, mark) if mark else file
        raise ConfigError(f"{where}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {error}") from None


def _at(file: str, mark: Any) -> str:
    return f"{file}:{mark.line + 1}:{mark.column + 1}"


def _check_depth(text: str, file: str) -> None:
    """Refuse what is nested deeper than any setting: libyaml's composer recurses until it dies."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH + 1:
                raise ConfigError(f"{_at(file, event.start_mark)}: nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Values:
    """The values of one document, which are counted: an alias costs a line and may stand for
    many."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def convert(self, node: Any, where: str, depth: int) -> Marked:
        """Return what a node says, with all that is in it."""
        self._count += 1
        if depth > _DEPTH:  # an alias that contains itself
            raise ConfigError(f"{where}: nested too deeply")
        if self._count > _MOST:
            raise ConfigError(f"{where}: more than {_MOST} values, aliases written out")
        if isinstance(node, yaml.MappingNode):
            return Marked(self._mapping(node, depth), where)
        if isinstance(node, yaml.SequenceNode):
            items = [self.convert(n, _at(self._file, n.start_mark), depth + 1) for n in node.value]
            return Marked(items, where)
        return Marked(_scalar(node, where), where)

    def _mapping(self, node: Any, depth: int) -> dict[str, Marked]:
        found: dict[str, Marked] = {}
        for key_node, value_node in node.value:
            where = _at(self._file, key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{where}: a key must be a word")
            key = str(key_node.value)
            if key in found:
                first = found[key].where
                raise ConfigError(f'{where}: the key "{key}" is here twice (first at {first})')
            found[key] = self.convert(value_node, where, depth + 1)
        return found


def _scalar(node: Any, where: str) -> Any:
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        raise ConfigError(f"{where}: {problem}") from None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ConfigError(f"{where}: a {type(value).__name__} is no setting; quote it to make it text")


_WORDS = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number"}


def describe(value: Any) -> str:
    """Say what a value is, for "expected x, found y"."""
    if value is None:
        return "nothing"
    words = _WORDS.get(type(value), f"a {type(value).__name__}")
    return words if isinstance(value, (dict, list)) else f"{words} ({value!r})"


def _expect(marked: Marked, kind: type, what: str) -> Marked:
    if isinstance(marked.value, kind):
        return marked
    quote = "; quote it" if kind is str and isinstance(marked.value, (bool, int, float)) else ""
    raise ConfigError(
        f"{marked.where}: {what} must be {_WORDS[kind]}, found {describe(marked.value)}{quote}"
    )


def _known_keys(marked: Marked, known: tuple[str, ...], of: str) -> None:
    for key, value in marked.value.items():
        if key not in known:
            hint = f"known here: {', '.join(known)}"
            message = f'{value.where}: unknown key "{key}"{of}{nearest(key, known)}'
            raise ConfigError(message, hint=hint)


def _check_profile(name: str, body: Marked) -> None:
    of = f' of profile "{name}"'
    _known_keys(_expect(body, dict, f'profile "{name}"'), _PROFILE_KEYS, of)
    for key, value in body.value.items():
        if key in ("extends", USERNS):
            _expect(value, str, f'"{key}"{of}')
        elif key == "options":
            _check_options(value, of)
        else:
            _check_names(key, value, of)


def _check_names(key: str, value: Marked, of: str) -> None:
    items = value.value if isinstance(value.value, list) else [value]
    if not items and key != HOOKS:
        raise ConfigError(f'{value.where}: "{key}"{of} names nothing')
    seen = set()
    for item in items:
        _expect(item, str, f'a name in "{key}"{of}')
        if not item.value or item.value in seen:
            problem = f'"{item.value}" twice' if item.value else "an empty name"
            raise ConfigError(f'{item.where}: "{key}"{of} has {problem}')
        seen.add(item.value)


def _check_options(value: Marked, of: str) -> None:
    kinds = (*KINDS, HOOKS)
    _known_keys(_expect(value, dict, f'"options"{of}'), kinds, f' in "options"{of}')
    for kind, backends in value.value.items():
        _expect(backends, dict, f'"options.{kind}"{of}')
        for backend, options in backends.value.items():
            _expect(options, dict, f'"options.{kind}.{backend}"{of}')
