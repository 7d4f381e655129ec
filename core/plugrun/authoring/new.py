"""``plugin new``: a small project that keeps its contract from the first minute."""

from __future__ import annotations

import os
from string import Template

from plugrun.api import API_VERSION
from plugrun.errors import AlreadyExists, InvalidArgument
from plugrun.model.profile import HOOKS, KINDS
from plugrun.model.spelling import did_you_mean
from plugrun.plugins.finding import find

AUTHORED = (*KINDS, HOOKS)
_TEMPLATES = f"{os.path.dirname(os.path.abspath(__file__))}/templates"
_MOST = 40
_OWN = "plugrun"


def new_project(kind: str, name: str, folder: str) -> tuple[str, ...]:
    """Write a project into ``folder``, which must not exist or be empty; return its files.

    InvalidArgument for a kind or a name that cannot be, AlreadyExists if something is there, or
    plugrun itself has a plugin of that kind and name.
    """
    if kind not in AUTHORED:
        near = did_you_mean(kind, AUTHORED)
        raise InvalidArgument(f'"{kind}" is no kind of plugin{near}: one of {", ".join(AUTHORED)}')
    _check_name(name)
    _check_free(kind, name)
    if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise AlreadyExists(f"{folder}: is there already", hint="name another folder with --to")
    words = _words(kind, name)
    written = []
    for template, path in _files(kind, words).items():
        with open(f"{_TEMPLATES}/{template}", encoding="utf-8") as file:
            text = Template(file.read()).substitute(words)
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return tuple(written)


def _check_name(name: str) -> None:
    """A name becomes part of a distribution's, a package's and a profile's."""
    plain = name.isascii() and name.replace("-", "").isalnum() and name == name.lower()
    if not (name and plain and name[0].isalpha() and name[-1] != "-" and "--" not in name):
        raise InvalidArgument(
            f'"{name}" cannot be a plugin\'s name',
            hint='use small letters, digits and "-" between them, a letter first',
        )
    if len(name) > _MOST:
        raise InvalidArgument(f'"{name}" is too long: at most {_MOST} letters')


def _check_free(kind: str, name: str) -> None:
    """Refuse the name of a built-in plugin: with two of a name, neither can be chosen."""
    for found in find(kind):
        if found.name == name and found.distribution == _OWN:
            raise AlreadyExists(
                f'the {kind} plugin "{name}" is part of plugrun, and two of a name do not work',
                hint=f'take another name, as "my-{name}"',
            )


def _words(kind: str, name: str) -> dict[str, str]:
    use = f"{kind}: [{name}]" if kind in (HOOKS, "transport") else f"{kind}: {name}"
    if kind == "transport":
        use = f"transport: [{name}, registry, archive, host]"
    return {
        "api": str(API_VERSION),
        "class": "".join(part.capitalize() for part in name.split("-")) + kind.capitalize(),
        "kind": kind,
        "name": name,
        "package": f"plugrun_{name.replace('-', '_')}",
        "use": use,
    }


def _files(kind: str, words: dict[str, str]) -> dict[str, str]:
    package = words["package"]
    found = {
        "common/pyproject.toml.in": "pyproject.toml",
        "common/README.md.in": "README.md",
        "common/init.py.in": f"{package}/__init__.py",
        f"{kind}/plugin.py.in": f"{package}/plugin.py",
        f"{kind}/test.py.in": f"tests/test_{words['name'].replace('-', '_')}.py",
    }
    if kind != HOOKS:
        found[f"{kind}/work.py.in"] = f"{package}/{kind}.py"
    return found
