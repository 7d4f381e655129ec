"""Each instruction's record, and what Docker says of one that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from plugrun.dockerfile.file import parse_dockerfile
from plugrun.dockerfile.instructions import ArgItem, InlineFile, Instruction, Pair
from plugrun.errors import DockerfileError


def parsed(source: str, escape: str = "") -> Instruction:
    head = f"# escape={escape}\n" if escape else ""
    (found,) = parse_dockerfile(f"{head}FROM base\n{source}".encode()).stages[0].instructions
    return found


def fields(found: Instruction, names: str) -> tuple[Any, ...]:
    return tuple(getattr(found, name) for name in names.split())


@pytest.mark.parametrize(
    ("source", "names", "wanted"),
    [
        ("RUN a  b", "words shell", (("a  b",), True)),
        ('run ["a", "b c"]', "words shell word KEYWORD", (("a", "b c"), False, "run", "RUN")),
        ("RUN ['a']", "words shell", (("['a']",), True)),
        ('RUN ["a"', "words shell", (('["a"',), True)),
        ('RUN ["a"] b', "words shell", (('["a"] b',), True)),
        ("RUN --mount=type=cache,target=/x --network=none --security=insecure a",
         "flags network security words", (("type=cache,target=/x",), "none", "insecure", ("a",))),
        ("RUN --mount='type=bind, a' --network=\"host\" a", "flags network",
         (("type=bind, a",), "host")),
        ("RUN -- --a", "words", (("--a",),)),
        ("CMD", "words shell", ((), True)),
        ("CMD []", "words shell", ((), False)),
        ("ENTRYPOINT [ \"a\" ] ", "words shell", (("a",), False)),
        ("COPY a b", "sources destination origin link", (("a",), "b", "", False)),
        ('COPY ["a b", "c"]', "sources destination", (("a b",), "c")),
        ("COPY --from=x --chown=1:2 --chmod=u+x --link --parents --exclude=a --exclude=b a b c/",
         "origin chown chmod link parents excludes sources destination",
         ("x", "1:2", "u+x", True, True, ("a", "b"), ("a", "b"), "c/")),
        ("COPY --link=false a b", "link", (False,)),
        ("COPY <<A b <<-'B' /c/\n1\nA\n\t2\nB", "sources contents",
         (("b",), (InlineFile("A", "1\n"), InlineFile("B", "2\n", expand=False)))),
        ("ADD --checksum=sha256:0 --keep-git-dir --unpack=false a b",
         "checksum keep_git_dir unpack", ("sha256:0", True, False)),
        ("ADD a b", "keep_git_dir unpack", (None, None)),
        ("ENV a=b c='d e' f=g\\ h", "pairs",
         ((Pair("a", "b"), Pair("c", "'d e'"), Pair("f", "g\\ h")),)),
        ("ENV a b = c", "pairs", ((Pair("a", "b = c", delimited=False),),)),
        ("ENV a=", "pairs", ((Pair("a", ""),),)),
        ('LABEL "a b"="c"', "pairs", ((Pair('"a b"', '"c"'),),)),
        ("ARG a b= c=d", "items", ((ArgItem("a"), ArgItem("b", ""), ArgItem("c", "d")),)),
        ("WORKDIR /a b", "path", ("/a b",)),
        ("USER $u:g", "user", ("$u:g",)),
        ("EXPOSE 90 80/udp", "ports", (("80/udp", "90"),)),
        ("VOLUME /a  /b", "paths", (("/a", "/b"),)),
        ('VOLUME ["/a b"]', "paths", (("/a b",),)),
        ('SHELL ["a", "-c"]', "words", (("a", "-c"),)),
        ("STOPSIGNAL 9", "signal", ("9",)),
        ("MAINTAINER a <b@c>", "name", ("a <b@c>",)),
        ("ONBUILD copy a b", "expression", ("copy a b",)),
        ("ONBUILD RUN <<E\na\nE", "expression", ("RUN <<E\na\nE",)),
        ("HEALTHCHECK NONE", "config", ({"Test": ["NONE"]},)),
        ("HEALTHCHECK --interval=1m30s --start-period=0s --retries=3 CMD a  b", "config",
         ({"Test": ["CMD-SHELL", "a  b"], "Interval": 90 * 10**9, "Retries": 3},)),
        ('HEALTHCHECK --timeout=1.5s --start-interval=250ms CMD ["a"]', "config",
         ({"Test": ["CMD", "a"], "Timeout": 15 * 10**8, "StartInterval": 25 * 10**7},)),
    ],
)  # fmt: skip
def test_what_each_says(source: str, names: str, wanted: tuple[Any, ...]) -> None:
    assert fields(parsed(source), names) == wanted


def test_with_another_escape_words_are_cut_by_it() -> None:
    assert fields(parsed("ENV a=b` c d=C:\\", "`"), "pairs") == (
        (Pair("a", "b` c"), Pair("d", "C:\\")),
    )


def test_stages_have_names_platforms_and_what_stands_before_them() -> None:
    source = b"ARG a=b\nFROM --platform=$P x:$a as One\nRUN x\nFROM scratch\n"
    found = parse_dockerfile(source)
    heads = [fields(stage.head, "base name platform word") for stage in found.stages]
    assert heads == [("x:$a", "one", "$P", "FROM"), ("scratch", "", "", "FROM")]
    assert [len(stage.instructions) for stage in found.stages] == [1, 0]
    assert [one.items for one in found.arguments] == [(ArgItem("a", "b"),)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("FORM x", "unknown instruction: FORM (did you mean FROM?)"),
        ("entrypiont x", "unknown instruction: entrypiont (did you mean entrypoint?)"),
        ("WHATEVER x", "unknown instruction: WHATEVER"),
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a AS 1b", 'invalid name for build stage: "1b", name can\'t start with a number'),
        ("FROM --plaform=x a", "unknown flag: --plaform (did you mean platform?)"),
        ("RUN --mount a", "missing a value on flag: --mount"),
        ("RUN --network=x a", 'invalid network mode "x"'),
        ("RUN --security=x a", 'security "x" is not valid'),
        ("RUN --network=none --network=none a", "duplicate flag specified: --network"),
        ("RUN --mount=from=$x,target=/a b", "'from' doesn't support variable expansion"),
        ("COPY a", "COPY requires at least two arguments, but only one was provided."),
        ("ADD", "ADD requires at least two arguments, but only one was provided."),
        ("COPY --link=x a b", "expecting boolean value for flag --link, not: x"),
        ("COPY --link= a b", "missing a value on flag: --link"),
        ("COPY a <<E\nE", "COPY cannot accept a heredoc as a destination"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ("ENV =b", "ENV names can not be blank"),
        ("LABEL a", "LABEL must have two arguments"),
        ("ARG", "ARG requires at least one argument"),
        ("ARG =b", "ARG names can not be blank"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("USER", "USER requires exactly one argument"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("VOLUME []", "VOLUME requires at least one argument"),
        ('VOLUME [" "]', "VOLUME specified can not be an empty string"),
        ("SHELL a b", "SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK a", 'Unknown type "A" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK --interval=5 CMD a", 'time: missing unit in duration "5"'),
        ("HEALTHCHECK --interval=5x CMD a", 'time: unknown unit "x" in duration "5x"'),
        ("HEALTHCHECK --interval=1us CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD onbuild RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD from a", "FROM isn't allowed as an ONBUILD trigger"),
    ],
)
def test_what_is_refused(source: str, said: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        parse_dockerfile(f"FROM base\n{source}\n".encode())
    assert said in failure.value.message
    assert failure.value.message.startswith("Dockerfile:2")


def test_what_stands_before_any_stage_is_refused() -> None:
    with pytest.raises(DockerfileError, match="no build stage in current context"):
        parse_dockerfile(b"RUN x\nFROM a\n")
    with pytest.raises(Exception, match="dockerfile contains no stages to build"):
        parse_dockerfile(b"ARG x\n")


@pytest.mark.parametrize(
    ("source", "rule", "line"),
    [
        ("FROM a\nRUN b \\\n\nc", "NoEmptyContinuation", 4),
        ("FROM a AS B", "StageNameCasing", 1),
        ("FROM a as b", "FromAsCasing", 1),
        ("FROM a AS b\nFROM a AS b", "DuplicateStageName", 2),
        ("FROM a AS scratch", "ReservedStageName", 1),
        ("FROM a\nMAINTAINER b", "MaintainerDeprecated", 2),
        ("FROM a\nRUN b\nrun c", "ConsistentInstructionCasing", 3),
        ("from a\nrun b\nRun c", "ConsistentInstructionCasing", 3),
    ],
)
def test_what_is_warned_of(source: str, rule: str, line: int) -> None:
    found = parse_dockerfile(source.encode()).warnings
    assert [(one.rule, one.line) for one in found] == [(rule, line)]
    skipped = f"# check=skip={rule};error=true\n{source}"
    assert parse_dockerfile(skipped.encode()).warnings == ()
