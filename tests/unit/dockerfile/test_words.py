"""Variables, quotes and escapes in a Dockerfile's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.dockerfile.words import Rules, expand
from plugrun.errors import InvalidArgument

VARIABLES = {"A": "one", "EMPTY": "", "P": "/usr/lib/a.tar.gz", "S": "x  y ", "U_1": "u", "É": "e"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("$A", "one"),
        ("${A}b", "oneb"),
        ("$Ab", ""),
        ("$U_1-$É", "u-e"),
        ("$", "$"),
        ("$.", "$."),
        ("a$1b", "ab"),
        ("'$A'", "$A"),
        ('"$A"', "one"),
        ("\\$A", "$A"),
        ('"\\$A \\n \\" \\\\"', '$A \\n " \\'),
        ("'it''s'", "its"),
        ("a\\ b", "a b"),
        ("end\\", "end"),
        ('"end\\"x"', 'end"x'),
        ("${A:-no}${NONE:-no}${EMPTY:-no}", "onenono"),
        ("${A-no}${NONE-no}${EMPTY-no}", "oneno"),
        ("${A:+yes}${NONE:+yes}${EMPTY:+yes}", "yes"),
        ("${A+yes}${NONE+yes}${EMPTY+yes}", "yesyes"),
        ("${A:?}${EMPTY?}", "one"),
        ("${NONE:-${EMPTY:-$A}}", "one"),
        ("${NONE:-a\\}b}", "a}b"),
        ("${NONE:-'a}b'}", "a}b"),
        ("${P#*/}", "usr/lib/a.tar.gz"),
        ("${P##*/}", "a.tar.gz"),
        ("${P%.*}", "/usr/lib/a.tar"),
        ("${P%%.*}", "/usr/lib/a"),
        ("${P#/???/}", "lib/a.tar.gz"),
        ("${P%none}", "/usr/lib/a.tar.gz"),
        ("${P/usr/opt}", "/opt/lib/a.tar.gz"),
        ("${P//\\//-}", "-usr-lib-a.tar.gz"),
        ("${P/*/x}", "x"),
        ("${A//?/.}", "..."),
        ("${A/n/$A}", "oonee"),
        ("${A#\\*}", "one"),
        ("<<EOF $A", "<<EOF one"),
    ],
)
def test_what_a_word_comes_to(text: str, wanted: str) -> None:
    assert expand(text, VARIABLES).text == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'open", "matching single-quote"),
        ('"open', "matching double-quote"),
        ("${", "missing '}'"),
        ("${A", "missing '}'"),
        ("${A:-b", "missing '}'"),
        ("${A/b", "missing '/' in ${}"),
        ("${A/b/c", "missing '}'"),
        ("${}", "bad substitution"),
        ("${:x}", "bad substitution"),
        ("${{A}}", "bad substitution"),
        ("${A!x}", "unsupported modifier (!) in substitution"),
        ("${A:=x}", "unsupported modifier (:=) in substitution"),
        ("${A:#x}", "unsupported modifier (:#) in substitution"),
        ("${NONE:?}", "NONE: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NONE?give it}", "NONE: give it"),
        ("${A#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"),
        ("${A:-" * 200, "nested too deeply"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        expand(text, VARIABLES)
    assert said in failure.value.message
    assert failure.value.message.startswith('failed to process "')


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a b", ("a", "b")),
        ("$S$S", ("x", "y", "x", "y")),
        ('"$S"', ("x  y ",)),
        ("a$NONE b", ("a", "b")),
        ("pre${NONE:-post}", ("prepost",)),
        ("a\\ b c", ("a b", "c")),
        ('"" a', ("a",)),
    ],
)
def test_words_are_split_after_variables_were_put_in(text: str, wanted: tuple[str, ...]) -> None:
    assert expand(text, VARIABLES).words == wanted


def test_names_that_were_met_are_told() -> None:
    found = expand("$A ${NONE:-$B} ${C+x}", VARIABLES)
    assert found.used == {"A"}
    assert found.unset == {"NONE", "B", "C"}


def test_another_escape_makes_the_backslash_plain() -> None:
    assert expand("C:\\$A`$A", VARIABLES, Rules("`")).text == "C:\\one$A"


def test_rules_keep_what_they_name() -> None:
    assert expand("'a' \"b\"", {}, Rules(raw_quotes=True)).text == "'a' \"b\""
    assert expand("it's $A", VARIABLES, Rules(no_quotes=True)).text == "it's one"
    assert expand("$N ${M} ${O:-x}", {}, Rules(keep_unset=True)).text == "$N ${M} ${O:-x}"
    assert expand("a\\b", {}, Rules(raw_escapes=True)).text == "a\\b"


@given(st.text(alphabet="ab $\\'\"`{}:-+?#%/*<\n\té", max_size=60))
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    for rules in (Rules(), Rules("`"), Rules(raw_quotes=True, raw_escapes=True, keep_unset=True)):
        try:
            found = expand(text, {"a": "b*", "b": "\\"}, rules)
        except InvalidArgument:
            continue
        assert not found.used & found.unset


@given(st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"]), max_size=40))
def test_single_quotes_keep_all(text: str) -> None:
    assert expand(f"'{text}'", {"a": "b"}).text == text


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab*?", max_size=6))
def test_patterns_cut_what_a_shell_would(value: str, pattern: str) -> None:
    from fnmatch import fnmatchcase

    ends = [i for i in range(len(value) + 1) if fnmatchcase(value[:i], pattern)]
    starts = [i for i in range(len(value) + 1) if fnmatchcase(value[i:], pattern)]
    wanted = {
        "#": value[min(ends, default=0) :],
        "##": value[max(ends, default=0) :],
        "%": value[: max(starts, default=len(value))],
        "%%": value[: min(starts, default=len(value))],
    }
    for sign, rest in wanted.items():
        assert expand(f"${{V{sign}{pattern}}}", {"V": value}).text == rest
