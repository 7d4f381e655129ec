"""``jsontext`` and ``json`` give the same values and the same text."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.model.jsontext import dumps, loads

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_WORDS = [
    "true",
    "null",
    "NaN",
    "Infinity",
    "-Infinity",
    '"a"',
    '"\\ud800"',
    "é",
    "\ufeff",
    "\u00a0",
]
_MARKS = list('{}[]:,"\\ \t\r\n\x00\x0b0123456789-+.eEu')
_PIECES = st.lists(st.sampled_from(_MARKS + _WORDS)).map("".join)


def _strict(text):
    def refuse(name):
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def outcome(function, text):
    try:
        return repr(function(text))
    except ValueError:
        return "ValueError"


@given(_VALUES)
def test_values_come_back(value):
    assert loads(dumps(value)) == value
    assert loads(dumps(value).encode()) == value


@given(_VALUES)
def test_the_text_is_that_of_json(value):
    assert dumps(value) == json.dumps(value, separators=(",", ":"), allow_nan=False)
    ordered = json.dumps(value, separators=(",", ":"), sort_keys=True)
    assert dumps(value, sort_keys=True) == ordered


@given(_VALUES, st.integers(0, 4))
def test_any_layout_is_read(value, indent):
    text = " \n" + json.dumps(value, indent=indent, ensure_ascii=False) + "\t"
    assert loads(text) == value


@given(_PIECES | st.text())
def test_both_refuse_the_same_texts(text):
    assert outcome(loads, text) == outcome(_strict, text)


@given(st.binary())
def test_any_bytes_are_a_value_or_a_value_error(data):
    outcome(loads, data)


@pytest.mark.parametrize(
    "text",
    ["", " ", "[", "{", '"', "[1,]", '{"a":1,}', "{'a':1}", "1 2", "NaN", "-Infinity", "[NaN]",
     "01", "tru", '"\n"', b"\xff", "[" * 200_000, '{"a":' * 200_000, "\ufeff1"],
    ids=repr,
)  # fmt: skip
def test_what_is_not_json(text):
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_numbers_json_has_not(value):
    with pytest.raises(ValueError):
        dumps(value)


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), [b"x"], {(1, 2): 3}])
def test_values_json_has_not(value):
    with pytest.raises(TypeError):
        dumps(value)


def test_the_last_of_repeated_keys_counts_as_in_json():
    assert loads('{"a":1,"a":2}') == {"a": 2}


def test_keys_of_one_document_are_not_kept_for_the_next():
    loads('{"a key of the first document": 1}')
    from plugrun.model.jsontext import _Rules

    assert not any("first document" in key for key in _Rules.memo)


def test_the_module_json_serves_where_the_accelerator_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "_json", None)
    assert loads('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert dumps({"b": "é", "a": 1}, sort_keys=True) == '{"a":1,"b":"\\u00e9"}'
    with pytest.raises(ValueError):
        loads("NaN")
    with pytest.raises(ValueError):
        loads("[" * 200_000)
    with pytest.raises(ValueError):
        dumps(float("nan"))


@pytest.mark.parametrize("text", ["{", "[1", '{"a"', '{"a":}', '"open', "{a: 1}", '"\\x"', '"\n"'])
def test_what_is_cut_short_is_a_value_error_without_json_loaded(text):
    """The accelerator raises what json.decoder has, and fails where that is not loaded."""
    code = (
        "import sys; sys.modules.pop('json.decoder', None)\n"
        "from plugrun.model.jsontext import loads\n"
        f"try: loads({text!r})\n"
        "except ValueError: sys.exit(0)\n"
        "sys.exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
