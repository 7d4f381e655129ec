"""The functions a template may call: Go's own and Docker's."""

from __future__ import annotations

import json
import re

from plugrun.cli.gotemplate.values import (
    Absent,
    Map,
    NilPointer,
    TemplateError,
    is_true,
    printed,
    type_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Leave out what has no JSON form: the methods of a row, and fields that are not there."""
    if getattr(value, "is_nil", False):
        return None
    if isinstance(value, dict):
        items = sorted(value.items()) if isinstance(value, Map) else value.items()
        shown = (pair for pair in items if not callable(pair[1]) and not _is_absent(pair[1]))
        return {key: _plain(item) for key, item in shown}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, NilPointer):
        return None
    return value


def _is_absent(value: Any) -> bool:
    return isinstance(value, Absent)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        # Docker's maps are of strings, whose zero value is what Go's `index` answers.
        return value.get(key, "" if isinstance(value, Map) else None)
    if isinstance(value, (list, tuple, str)):
        if not isinstance(key, int):
            raise TemplateError(f"cannot index slice/array with type {type_name(key)}")
        if not 0 <= key < len(value):
            raise TemplateError(f"index out of range: {key}")
        return ord(value[key]) if isinstance(value, str) else value[key]
    if value is None:
        raise TemplateError("index of untyped nil")
    raise TemplateError(f"can't index item of type {type_name(value)}")


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, (list, tuple, str)):
        raise TemplateError(f"can't slice item of type {type_name(value)}")
    low, high = (*bounds, 0, len(value))[:2] if len(bounds) > 1 else ((*bounds, 0)[0], len(value))
    if not 0 <= low <= high <= len(value):
        raise TemplateError(f"index out of range: {high}")
    return value[low:high]


def _len(value: Any) -> int:
    if isinstance(value, (dict, list, tuple, str)):
        return len(value.encode()) if isinstance(value, str) else len(value)
    raise TemplateError(f"len of {'nil pointer' if value is None else 'type ' + type_name(value)}")


def _join(items: Any, separator: str) -> str:
    if not isinstance(items, (list, tuple)):
        raise TemplateError(f"cannot join a value of type {type_name(items)}")
    return separator.join(printed(item) for item in items)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"wrong type for value; expected string; got {type_name(value)}")
    return value


def _title(value: Any) -> str:
    return re.sub(r"(?<!\w)\w", lambda match: match.group().upper(), _text(value))


_HTML = str.maketrans(
    {"&": "&amp;", "'": "&#39;", '"': "&#34;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
)
_JAVASCRIPT = str.maketrans(
    {
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
        "<": "\\u003C",
        ">": "\\u003E",
        "&": "\\u0026",
        "=": "\\u003D",
        **{chr(code): f"\\u{code:04X}" for code in range(32)},
    }
)


def _urlquery(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*values), safe="~")


def _truncate(value: Any, length: int) -> str:
    return _text(value)[:length]


def _pad(value: Any, before: int, after: int) -> str:
    text = _text(value)
    return " " * before + text + " " * after if text else text


def _print(*values: Any) -> str:
    """Go's fmt.Sprint: a space between two values if neither is a string."""
    parts: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            parts.append(" ")
        parts.append(printed(value))
    return "".join(parts)


def _println(*values: Any) -> str:
    return " ".join(printed(value) for value in values) + "\n"


_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        text = _formatted(left.pop(0), flags, precision, verb)
        wide = int(width or 0)
        if "-" in flags:
            return text.ljust(wide)
        return text.zfill(wide) if "0" in flags and verb in "dxXf" else text.rjust(wide)

    done = _VERB.sub(one, _text(form))
    if not left:
        return done
    extra = ", ".join(f"{type_name(value)}={printed(value)}" for value in left)
    return f"{done}%!(EXTRA {extra})"


def _formatted(value: Any, flags: str, precision: str | None, verb: str) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v" or (verb == "s" and not whole):
        text = printed(value)
        return text[: int(precision)] if precision is not None and verb == "s" else text
    if verb == "t" and isinstance(value, bool):
        return printed(value)
    if verb == "q" and isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if verb == "T":
        return type_name(value)
    if verb in ("d", "x", "X") and whole:
        return format(value, ("+" if "+" in flags else "") + verb)
    if verb in ("x", "X") and isinstance(value, str):
        return value.encode().hex()
    if verb in ("f", "g", "e") and isinstance(value, (int, float)):
        return format(float(value), f".{precision or 6}{verb}")
    return f"%!{verb}({type_name(value)}={printed(value)})"


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    for other in others:
        _comparable(first, other)
    return any(first == other for other in others)


def _comparable(one: Any, other: Any) -> None:
    kinds = {_kind(one), _kind(other)} - {"nil"}
    if len(kinds) > 1:
        raise TemplateError("incompatible types for comparison")


def _kind(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type_name(value)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def function(one: Any, other: Any) -> bool:
        _comparable(one, other)
        if _kind(one) not in ("number", "string"):
            raise TemplateError("invalid type for comparison")
        return compare(one, other)

    return function


def _last(*values: Any) -> Any:
    return values[-1] if values else None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "index": _index,
    "slice": _slice,
    "len": _len,
    "join": _join,
    "split": lambda text, separator: (
        _text(text).split(separator) if separator else list(_text(text))
    ),
    "upper": lambda text: _text(text).upper(),
    "lower": lambda text: _text(text).lower(),
    "title": _title,
    "truncate": _truncate,
    "pad": _pad,
    "print": _print,
    "println": _println,
    "printf": _printf,
    "html": lambda *values: _print(*values).translate(_HTML),
    "js": lambda *values: _print(*values).translate(_JAVASCRIPT),
    "urlquery": _urlquery,
    "not": lambda value: not is_true(value),
    "and": _last,
    "or": _last,
    "eq": _eq,
    "ne": lambda one, other: not _eq(one, other),
    "lt": _ordered(lambda one, other: one < other),
    "le": _ordered(lambda one, other: one <= other),
    "gt": _ordered(lambda one, other: one > other),
    "ge": _ordered(lambda one, other: one >= other),
}

_RESHAPING = ("json", "join", "split", "upper", "lower", "title", "truncate", "pad")


def header_functions() -> dict[str, Callable[..., Any]]:
    """Return the functions for a table's header: what changes a value hands it on instead."""

    def same(value: Any = "", *_: Any) -> Any:
        return "" if isinstance(value, Map) else value

    return {**FUNCTIONS, **dict.fromkeys(_RESHAPING, same)}
