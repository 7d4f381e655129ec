"""Several documents and a chain of ``extends`` become one profile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from plugrun.config import Candidate, Settings, candidates, check_explicit
from plugrun.config.reading import Document, Marked, nearest, read
from plugrun.errors import ConfigError
from plugrun.model.profile import HOOKS, KINDS, USERNS, Profile

BUILT_IN = "built-in"
_DEFAULT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "default.yaml")

# A profile under way: key -> value, where options have dotted keys of four parts.
_Flat = dict[tuple[str, ...], Marked]


def load(explicit: str, profile_name: str, environ: Mapping[str, str], cwd: str) -> Settings:
    """Read all files and resolve one profile."""
    files = candidates(explicit, environ, cwd)
    if explicit:
        check_explicit(files[-1].path)
    documents = [_read_file(_DEFAULT, BUILT_IN)]
    for file in files:
        if file.exists:
            _check_owner(file, os.path.join(cwd, "plugrun.yaml"), environ)
            documents.append(_read_file(file.path, file.path))
    profiles = _merge(documents)
    name = _choose(profile_name, environ, documents, profiles)
    flat = _extend(name, profiles)
    profile = _build(name, flat)
    return Settings(profile, _origins(flat), files, tuple(sorted(profiles)))


def _read_file(path: str, shown: str) -> Document:
    try:
        with open(path, encoding="utf-8") as file:
            return read(file.read(), shown)
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: not UTF-8 at byte {error.start}") from None


def _check_owner(file: Candidate, local: str, environ: Mapping[str, str]) -> None:
    """Refuse ``./plugrun.yaml`` of a stranger: root runs plugrun in folders others write to.

    The same trap as git's CVE-2022-24765, and the same rule, sudo's caller included.
    """
    if file.path != local or len(file.mark) < 5:
        return
    sudo = environ.get("SUDO_UID", "")
    trusted = {0, os.geteuid()} | ({int(sudo)} if sudo.isdecimal() else set())
    owner, mode = file.mark[3], file.mark[4]
    if owner not in trusted or mode & 0o002:
        fault = "everybody may write to it" if owner in trusted else f"it belongs to user {owner}"
        raise ConfigError(
            f"{file.path}: not used, because {fault}",
            hint=f"name it with --config {file.path} if you trust it, or change owner and mode",
        )


def _merge(documents: list[Document]) -> dict[str, _Flat]:
    profiles: dict[str, _Flat] = {}
    for document in documents:
        for name, body in document.profiles.items():
            profiles.setdefault(name, {}).update(_flatten(body))
    return profiles


def _flatten(body: Marked) -> _Flat:
    flat: _Flat = {}
    for key, value in body.value.items():
        if key != "options":
            flat[(key,)] = value
            continue
        for kind, backends in value.value.items():
            for backend, options in backends.value.items():
                for option, setting in options.value.items():
                    flat["options", kind, backend, option] = setting
    return flat


def _choose(
    said: str, environ: Mapping[str, str], documents: list[Document], profiles: dict[str, _Flat]
) -> str:
    by_environ = environ.get("PLUGRUN_PROFILE", "")
    by_file = [d.profile for d in documents if d.profile is not None][-1]
    name, where = by_file.value, by_file.where
    if by_environ:
        name, where = by_environ, "PLUGRUN_PROFILE"
    if said and said != by_environ:  # a command line hands on what it has from the environment
        name, where = said, "--profile"
    if name not in profiles:
        raise _unknown_profile(name, where, profiles)
    return str(name)


def _unknown_profile(name: str, where: str, profiles: dict[str, _Flat]) -> ConfigError:
    return ConfigError(
        f'{where}: unknown profile "{name}"{nearest(name, profiles)}',
        hint=f"there are: {', '.join(sorted(profiles))}",
    )


def _extend(name: str, profiles: dict[str, _Flat]) -> _Flat:
    chain = [name]
    parent = profiles[name].get(("extends",))
    while parent is not None:
        if parent.value not in profiles:
            raise _unknown_profile(parent.value, parent.where, profiles)
        if parent.value in chain:
            circle = " -> ".join([*chain, parent.value])
            raise ConfigError(f'{parent.where}: "extends" goes in a circle: {circle}')
        chain.append(parent.value)
        parent = profiles[parent.value].get(("extends",))
    flat: _Flat = {}
    for link in reversed(chain):
        flat.update(profiles[link])
    flat.pop(("extends",), None)
    return flat


def _build(name: str, flat: _Flat) -> Profile:
    chosen: dict[str, tuple[str, ...]] = {HOOKS: ()}
    options: dict[str, dict[str, dict[str, Any]]] = {}
    userns = flat.get((USERNS,))
    for key, marked in flat.items():
        if marked is userns:
            continue
        if len(key) == 1:
            items = marked.value if isinstance(marked.value, list) else [marked]
            chosen[key[0]] = tuple(item.value for item in items)
        else:
            _, kind, backend, option = key
            options.setdefault(kind, {}).setdefault(backend, {})[option] = plain(marked)
    for kind in KINDS:
        if kind not in chosen:
            raise ConfigError(
                f'profile "{name}" names no {kind}',
                hint='add "extends: default" to it, or the key itself',
            )
    return Profile(name=name, **chosen, options=options, userns=str(userns.value) if userns else "")


def plain(marked: Marked) -> Any:
    """Return a value without its places."""
    if isinstance(marked.value, dict):
        return {key: plain(item) for key, item in marked.value.items()}
    if isinstance(marked.value, list):
        return [plain(item) for item in marked.value]
    return marked.value


def _origins(flat: _Flat) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, marked in flat.items():
        found[".".join(key)] = _line(marked.where)
        if len(key) == 1:
            items = marked.value if isinstance(marked.value, list) else [marked]
            for item in items:
                found[f"{key[0]}.{item.value}"] = _line(item.where)
    return found


def _line(where: str) -> str:
    """Cut the column off; the built-in file's lines tell a user nothing."""
    file_line = where.rpartition(":")[0]
    return BUILT_IN if file_line.startswith(f"{BUILT_IN}:") else file_line
