"""Durations as Go reads them."""

from __future__ import annotations

import pytest
from plugrun.errors import InvalidArgument
from plugrun.model.duration import parse_duration


def test_the_longest():
    assert parse_duration("9223372036854775807ns") == 2**63 - 1
    assert parse_duration("-2562047h47m16s") == -(2562047 * 3600 + 47 * 60 + 16) * 10**9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
        ("9" * 5000 + "s", f'time: invalid duration "{"9" * 5000}s"'),
        ("0." + "1" * 5000 + "s", f'time: invalid duration "0.{"1" * 5000}s"'),
        ("+", 'time: invalid duration "+"'),
        ("--1s", 'time: invalid duration "--1s"'),
        (".s", 'time: invalid duration ".s"'),
        ("1", 'time: missing unit in duration "1"'),
        ("1m2", 'time: missing unit in duration "1m2"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1 s", 'time: unknown unit " s" in duration "1 s"'),
    ],
)
def test_what_is_none(text, message):
    with pytest.raises(InvalidArgument) as caught:
        parse_duration(text)
    assert caught.value.message == message
