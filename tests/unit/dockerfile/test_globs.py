"""COPY's patterns: Go's filepath.Match."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.dockerfile.globs import has_meta, match
from plugrun.errors import InvalidArgument


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("abc", "abc", "ab abcd"),
        ("*", "abc .abc", "a/b"),
        ("*c", "c abc", "ab a/c"),
        ("a*", "a abc", "ba a/b"),
        ("a*/b", "a/b abc/b", "a/c/b"),
        ("a*b*c*d*e*/f", "axbxcxdxe/f axbxcxdxexxx/f", "axbxcxdxe/xxx/f axbxcxdxexxx/fff"),
        ("a*b?c*x", "abxbbxdbxebxczzx", "abxbbxdbxebxczzy"),
        ("ab[c]", "abc", "abd"),
        ("ab[b-d]", "abc", "abe"),
        ("ab[e-g]", "", "abc"),
        ("ab[^c]", "abd", "abc"),
        ("ab[^b-d]", "abx", "abc"),
        ("a\\*b", "a*b", "ab acb"),
        ("a?b", "axb aéb", "a/b ab"),
        ("[a-ø]*", "é", "A"),
        ("*[a-ø]", "", "A"),
        ("[\\]a]", "] a", "b"),
        ("[\\-x]", "- x", "z"),
        ("[x\\-]", "- x", "z"),
        ("a[!a]b", "a!b aab", "acb"),
        ("[z-a]", "", "m"),
        ("**", "a", "a/b"),
    ],
)
def test_what_matches(pattern: str, matching: str, other: str) -> None:
    for name in matching.split():
        assert match(pattern, name), name
    for name in other.split():
        assert not match(pattern, name), name


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a\\",
                                     "[a-b-c]", "[]", "[^]"])  # fmt: skip
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match="syntax error in pattern"):
        match(pattern, "a")


def test_what_needs_no_listing() -> None:
    assert [has_meta(one) for one in ("a/b.c-d{e}", "a*", "a?", "[a]", "\\a")] == [False] + [
        True
    ] * 4


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab", max_size=10))
def test_without_slashes_it_is_fnmatch(pattern: str, name: str) -> None:
    assert match(pattern, name) == fnmatchcase(name, pattern)


@given(st.text(alphabet="ab*?[]^-\\/!é", max_size=12), st.text(alphabet="ab/é-]", max_size=8))
def test_any_pattern_matches_or_not_or_is_none(pattern: str, name: str) -> None:
    try:
        match(pattern, name)
    except InvalidArgument as error:
        assert "syntax error in pattern" in error.message
