"""``.dockerignore``: its lines, its patterns, and which folders need not be entered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.dockerfile.globs import match
from plugrun.dockerfile.ignore import ignore_names, read_ignore
from plugrun.dockerfile.patterns import Matcher, _compiled, _pieces
from plugrun.dockerfile.simulated import Simulated
from plugrun.errors import InvalidArgument


def excluded(patterns: str, path: str) -> bool:
    return Matcher(patterns.split()).excluded(path)


@pytest.mark.parametrize(
    ("patterns", "inside", "outside"),
    [
        ("a", "a a/b a/b/c", "b b/a ab"),
        ("a/b", "a/b a/b/c", "a b a/c x/a/b"),
        ("*", "a a/b .x", ""),
        ("*.md", "a.md .md a.md/b", "a/b.md md"),
        ("*/*.md", "a/b.md", "b.md a/b/c.md"),
        ("**", "a a/b", ""),
        ("**/*.md", "a.md a/b.md a/b/c.md", "a.mdx md"),
        ("**/a", "a b/a b/c/a a/x", "ba b/ca"),
        ("a/**", "a/b a/b/c", "a ab"),
        ("a/**/b", "a/b a/x/b a/x/y/b a/b/z", "a b ab a/xb"),
        ("a**", "a ab a/b", "b ba"),
        ("**a", "a ba b/a b/ca", "ab"),
        ("a?c", "abc", "ac a/c abbc"),
        ("a[b-d]", "ab ad", "ae a-"),
        ("a[^b-d]", "ae a-", "ab"),
        ("a[!b]", "a! ab", "ac"),
        ("a\\*", "a*", "ab a\\*"),
        ("a.b", "a.b", "axb"),
        ("{a|b}*", "{a|b}c", "a b {a"),
        ("a/../b/./c/", "b/c", "a"),
        ("* !a", "b b/a", "a a/b"),
        ("a !a/b", "a a/c", "a/b a/b/c"),
        ("a !a/b a/b", "a/b a/b/c", "b"),
        ("!a a", "a a/b", "b"),
        ("** !**/*.go", "a a/b", "x.go a/x.go"),
        ("a !**/b", "a a/c", "a/b a/x/b"),
        ("node_modules **/.git", "node_modules/x .git/HEAD sub/.git/x", "sub/node_modules"),
        ("", "", "a a/b"),
        ("a*/b", "ax/b ax/b/c", "a/x/b"),
    ],
)
def test_what_is_left_out(patterns: str, inside: str, outside: str) -> None:
    for path in inside.split():
        assert excluded(patterns, path), path
    for path in outside.split():
        assert not excluded(patterns, path), path
    assert not excluded(patterns, ".")


@pytest.mark.parametrize(
    ("patterns", "folder", "wanted"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a/b", True),
        ("a !a/b", "a", False),
        ("a !a/b", "a/c", True),
        ("a !b", "a", True),
        ("a !*/b", "a", False),
        ("a !**/b", "a", False),
        ("a !a/b/c", "a/b", False),
        ("!a/b a", "a", True),
        ("* !a*", "b", True),
        ("* !a/[x", "a", False),
    ],
)
def test_which_folders_need_not_be_entered(patterns: str, folder: str, wanted: bool) -> None:
    if "[x" in patterns:
        with pytest.raises(InvalidArgument, match="syntax error in pattern"):
            Matcher(patterns.split())
        return
    assert Matcher(patterns.split()).skippable(folder) is wanted


PARTS = st.sampled_from(["a", "b", "*", "**", "a*", "?", "[ab]", "*b", "a**"])
PATTERN = st.tuples(st.sampled_from(["", "!"]), st.lists(PARTS, min_size=1, max_size=3)).map(
    lambda found: found[0] + "/".join(found[1])
)
NAMES = st.sampled_from(["a", "b", "ab", "c"])
PATH = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.lists(PATTERN, max_size=4), PATH)
def test_nothing_below_a_folder_to_skip_is_taken(patterns: list[str], path: str) -> None:
    matcher = Matcher(patterns)
    parts = path.split("/")
    above = ["/".join(parts[:i]) for i in range(1, len(parts))]
    if any(matcher.skippable(folder) for folder in above):
        assert matcher.excluded(path)


@given(st.lists(PATTERN, max_size=4), st.lists(PATH, max_size=5))
def test_what_was_asked_before_changes_nothing(patterns: list[str], paths: list[str]) -> None:
    matcher = Matcher(patterns)
    for path in paths:
        assert matcher.excluded(path) == Matcher(patterns).excluded(path)


def test_a_thousand_files_are_told_apart_as_ten_are() -> None:
    patterns = ["*.log", "**/out", "!keep/**", "a/b", "[xy]*"]
    matcher = Matcher(patterns)
    paths = [f"{a}/{b}{c}" for a in ("a", "keep", "x", "out") for b in ("b", "c.log", "out")
             for c in range(100)] + ["a/b", "k.log", "keep/out/z", "q/out/z", "y"]  # fmt: skip
    for path in paths:
        assert matcher.excluded(path) == Matcher(patterns).excluded(path), path


@given(st.lists(PARTS.filter(lambda part: "**" not in part), min_size=1, max_size=3), PATH)
def test_without_double_stars_a_pattern_is_gos(parts: list[str], path: str) -> None:
    pattern, names = "/".join(parts), path.split("/")
    above = ["/".join(names[:i]) for i in range(1, len(names) + 1)]
    assert excluded(pattern, path) == any(match(pattern, one) for one in above)


def test_lines_of_the_file() -> None:
    data = b"\xef\xbb\xbf# c\r\n/a/b/\n\n  c  \n #d\n!  /e\n!\n/\na//b/../c\n! f"
    found = read_ignore(data)
    assert found == ("a/b", "c", "#d", "!e", "!", "/", "a/c", "!f")
    with pytest.raises(InvalidArgument, match="illegal exclusion pattern"):
        Matcher(found)
    assert ignore_names("x/web.Dockerfile") == ("x/web.Dockerfile.dockerignore", ".dockerignore")


@given(st.binary(max_size=60), st.text(alphabet="ab/.*", min_size=1, max_size=8))
def test_any_file_can_be_read_or_is_refused(data: bytes, path: str) -> None:
    try:
        matcher = Matcher(read_ignore(data))
        matcher.excluded(path.strip("/") or "a")
        matcher.skippable(path.strip("/") or "a")
    except InvalidArgument as error:
        assert error.message


@given(st.text("ab*?/", min_size=1, max_size=9), st.text("ab/", min_size=1, max_size=9))
def test_all_ways_at_once_are_those_of_a_regular_expression(pattern: str, path: str) -> None:
    found = Simulated(_pieces(pattern)).match(path)
    assert found == (_compiled([pattern]).fullmatch(path) is not None)


@pytest.mark.parametrize(
    "pattern", ["*a" * 30 + "b", "**a" * 30 + "b", "**/" * 30 + "b", "*[a]?" * 20 + "b"]
)
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    assert not Matcher([pattern]).excluded("/".join(["a" * 200] * 5))
