"""JSON text without the cost of importing ``json`` (6 ms, through ``re``).

CPython's own accelerator ``_json`` does the work where it is present; elsewhere ``json`` does.
Both give the same values and text: a test holds them equal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Rules:
    """What ``_json`` asks of a decoder: the settings that ``json.loads`` uses."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012  (read by C code under this name)

    @staticmethod
    def parse_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text; raise ValueError if it is not exactly one."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        return _scan(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _scan(text: str) -> Any:
    try:
        from _json import make_scanner
    except ImportError:
        import json

        return json.loads(text, parse_constant=_Rules.parse_constant)
    body = text.strip(" \t\r\n")
    try:
        value, end = make_scanner(_Rules)(body, 0)  # type: ignore[arg-type]
    except StopIteration as stop:
        raise ValueError(f"not JSON at character {stop.value}") from None
    except SystemError:
        # It raises an exception of json.decoder's, and none at all where that is not loaded.
        raise ValueError("not JSON: it is cut short, or a string in it is wrong") from None
    if end != len(body):
        raise ValueError(f"not JSON: more text at character {end}")
    return value


def dumps(value: Any, *, sort_keys: bool = False, ascii: bool = True) -> str:
    """Return a value as compact JSON; letters beyond ASCII are escaped unless not ``ascii``."""
    try:
        from _json import encode_basestring, encode_basestring_ascii, make_encoder
    except ImportError:
        import json

        return json.dumps(
            value,
            separators=(",", ":"),
            sort_keys=sort_keys,
            allow_nan=False,
            ensure_ascii=ascii,
        )
    quote = encode_basestring_ascii if ascii else encode_basestring
    encode = make_encoder({}, _refuse, quote, None, ":", ",", sort_keys, False, False)
    return "".join(encode(value, 0))


def _refuse(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} has no JSON form")
