"""Backend options, held against what the backend declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plugrun.config.reading import describe, nearest
from plugrun.errors import ConfigError, PluginError
from plugrun.model.option import Option
from plugrun.plugins.loading import Plugin


def check_options(
    plugin: Plugin, given: Mapping[str, Any], origins: Mapping[str, str]
) -> dict[str, Any]:
    """Return a backend's options complete with defaults; raise ConfigError with file and line."""
    declared = {option.name: option for option in _declared(plugin)}
    options = {name: _copy(option.default) for name, option in declared.items()}
    for key, value in given.items():
        dotted = f"options.{plugin.found.kind}.{plugin.name}.{key}"
        where = origins.get(dotted, "options")
        option = declared.get(key)
        if option is None:
            known = ", ".join(declared) or "it has none"
            raise ConfigError(
                f'{where}: the {plugin.found} has no option "{key}"{nearest(key, declared)}',
                hint=f"its options: {known}",
            )
        _check_value(option, value, f"{where}: {dotted}")
        options[key] = _copy(value)
    return options


def _declared(plugin: Plugin) -> tuple[Option, ...]:
    if "plugrun_options" not in plugin.hooks:
        return ()
    answers = plugin.manager.hook.plugrun_options()
    declared = tuple(answers[0]) if answers else ()
    for option in declared:
        if not isinstance(option, Option) or option.kind not in _CHECKS:
            raise PluginError(f"the {plugin.found} declares an option that is none: {option!r}")
    return declared


def _is_strings(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda v: isinstance(v, str), "text"),
    "integer": (lambda v: isinstance(v, int) and not isinstance(v, bool), "a whole number"),
    "boolean": (lambda v: isinstance(v, bool), "true or false"),
    "strings": (_is_strings, "a list of texts"),
    "mapping": (
        lambda v: isinstance(v, dict) and all(map(_is_strings, v.values())),
        "a mapping of texts to lists of texts",
    ),
}


def _check_value(option: Option, value: Any, where: str) -> None:
    fits, words = _CHECKS[option.kind]
    if not fits(value):
        raise ConfigError(f"{where} must be {words}, found {describe(value)}", hint=option.help)
    for item in value if option.kind == "strings" else (value,):
        if option.choices and item not in option.choices:
            raise ConfigError(
                f'{where}: "{item}" is none of its values{nearest(str(item), option.choices)}',
                hint=f"its values: {', '.join(option.choices)}",
            )


def _copy(value: Any) -> Any:
    """Return plain data of its own, such as marshal keeps: dict, list, scalars."""
    if isinstance(value, Mapping):
        return {str(key): _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    return value
