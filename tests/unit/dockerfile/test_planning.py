"""Stages: which are needed, in which order, and names that lead nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.dockerfile.file import parse_dockerfile
from plugrun.dockerfile.planning import Plan, plan_build
from plugrun.errors import InvalidArgument
from plugrun.model.descriptor import Platform


def planned(source: str, target: str = "", **given: str) -> Plan:
    found = parse_dockerfile(source.encode())
    return plan_build(found, target=target, build_args=given, platform=Platform("linux", "arm64"))


MANY = """FROM base AS one
FROM base AS two
COPY --from=one a b
FROM two AS three
RUN --mount=from=one,target=/a x
FROM scratch
COPY --from=2 a b
COPY --from=alpine:3 a b
FROM ONE AS last
COPY --from=Three a b
"""


def test_stages_stand_on_what_they_name() -> None:
    plan = planned(MANY)
    assert [one.base for one in plan.stages] == ["base", "base", "", "scratch", ""]
    assert [one.base_stage for one in plan.stages] == [None, None, 1, None, 0]
    assert [one.needs for one in plan.stages] == [(), (0,), (1, 0), (2,), (0, 2)]
    assert [one.images for one in plan.stages] == [(), (), (), ("alpine:3",), ()]
    assert [one.name for one in plan.stages] == ["one", "two", "three", "stage-3", "last"]
    assert plan.origin("2") == 2
    assert plan.origin("TWO") == 1
    assert plan.origin("debian") == "debian"
    assert plan.mount_origin("2") == "2"


@pytest.mark.parametrize(
    ("target", "order"),
    [("", (0, 1, 2, 4)), ("two", (0, 1)), ("Three", (0, 1, 2)), ("3", (0, 1, 2, 3)), ("0", (0,))],
)
def test_only_what_the_target_needs_is_built(target: str, order: tuple[int, ...]) -> None:
    plan = planned(MANY, target)
    assert plan.order == order
    assert plan.target == order[-1]


def test_a_name_given_twice_is_the_last_one() -> None:
    plan = planned("FROM a AS x\nFROM x AS x\nFROM x\n")
    assert [one.base_stage for one in plan.stages] == [None, 0, 1]


def test_arguments_before_the_first_stage() -> None:
    source = "ARG A=1\nARG B=$A-$TARGETARCH C\nFROM base:$B AS x\nFROM --platform=$BUILDPLATFORM $C"
    plan = planned(source, C="c", A="2")
    assert [one.base for one in plan.stages] == ["base:2-arm64", "c"]
    assert plan.stages[0].platform is None
    assert plan.stages[1].platform is not None
    assert plan.arguments["TARGETPLATFORM"] == "linux/arm64"
    assert plan.arguments["TARGETSTAGE"] == "default"
    assert planned(source, TARGETARCH="x", C="c").stages[0].base == "base:1-x"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("FROM a AS build", "bulid",
         'target stage "bulid" could not be found (did you mean build?)'),
        ("FROM a", "1", 'target stage "1" could not be found'),
        ("FROM $X", "", "Dockerfile:1: base name ($X) should not be blank"),
        ("FROM a\nFROM $X", "", "Dockerfile:2 (stage stage-1): base name ($X) should not be"),
        ("FROM ${X", "", "missing '}'"),
        ("FROM --platform=$X a", "", "empty platform value from expression $X"),
        ("FROM --platform=$TARGETPLATFROM a", "", "(did you mean TARGETPLATFORM?)"),
        ("FROM --platform=a/b/c/d a", "", 'failed to parse platform a/b/c/d: "a/b/c/d"'),
        ("FROM a AS b\nCOPY --from=b x y", "", "circular dependency detected on stage: b"),
        ("FROM a\nCOPY --from=1 x y", "", "invalid from flag value 1: invalid stage index 1"),
        ("FROM a\nCOPY --from=$x x y", "", "variable expansion is not supported for --from"),
        ("FROM a AS b\nCOPY --from=c x y\nFROM b AS c", "",
         "circular dependency detected on stage: b"),
        ("FROM a AS b\nCOPY --from=c x y\nFROM a AS c\nFROM b", "",
         'cannot copy from stage "c", it needs to be defined before current stage "b"'),
        ("FROM a AS b\nRUN --mount=from=c,target=/c x\nFROM a AS c\nFROM b", "",
         'cannot mount from stage "c", stage needs to be defined before current command'),
    ],
)  # fmt: skip
def test_what_cannot_be_planned(source: str, target: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        planned(source, target)
    assert said in failure.value.message


def test_a_later_stage_in_a_stage_that_nobody_needs_is_no_error() -> None:
    assert planned("FROM a\nCOPY --from=1 x y\nFROM a\nFROM a").order == (2,)


def test_triggers_come_first_and_may_need_stages() -> None:
    source = b"FROM a AS one\nONBUILD USER u\nFROM one AS two\nUSER v\nFROM two\nFROM b\nUSER w\n"
    found = parse_dockerfile(source)
    plan = plan_build(found, triggers={3: ["COPY --from=one a b", "RUN <<E\nx\nE"]})
    texts = [[one.text for one in stage.instructions] for stage in plan.stages]
    assert texts == [
        ["ONBUILD USER u"],
        ["USER u", "USER v"],
        [],
        ["COPY --from=one a b", "RUN <<E", "USER w"],
    ]
    assert [stage.triggers for stage in plan.stages] == [0, 1, 0, 2]
    assert plan.order == (0, 3)
    assert (plan.stages[3].instructions[0].first, plan.stages[3].instructions[0].last) == (6, 6)


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("RUN a\nRUN b", "onbuild trigger should be a single expression"),
        ("WHAT a", "unknown instruction: WHAT"),
        ("", "the Dockerfile cannot be empty"),
    ],
)
def test_triggers_that_are_none(trigger: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        plan_build(parse_dockerfile(b"FROM a\n"), triggers={0: [trigger]})
    assert said in failure.value.message
    assert "Dockerfile:1" in failure.value.message


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("FROM $X$TARGETARCH", ["UndefinedArgInFrom"]),
        ("FROM --platform=$TARGETPLATFORM a", ["RedundantTargetPlatform"]),
        ("FROM --platform=linux/amd64 a", ["FromPlatformFlagConstDisallowed"]),
        ("FROM --platform=linux/amd64 a AS on-amd64", []),
        ("ARG X=a\nFROM $X", []),
        ("ARG X\nFROM a$X", []),
        ("ARG X=:\nFROM a$X", ["InvalidDefaultArgInFrom"]),
        ("# check=skip=UndefinedArgInFrom\n\nFROM a$X", []),
        ("# note\n#\n# check=skip=UndefinedArgInFrom\n# more\nFROM a$X", []),
        ("# check=skip=all\n#\n# note\nFROM a$X\nFROM b$X", []),
        ("# note\n# check=skip=X,UndefinedArgInFrom\nFROM a$X\nFROM b$X", ["UndefinedArgInFrom"]),
    ],
)
def test_what_is_warned_of(source: str, rules: list[str]) -> None:
    assert [one.rule for one in planned(source).warnings] == rules


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6))
def test_an_order_has_each_stage_after_what_it_needs(edges: list[tuple[int, int]]) -> None:
    source = "".join(
        f"FROM {f's{base}' if base < i else 'image'} AS s{i}\n"
        + (f"COPY --from={copied} a b\n" if copied < len(edges) else "")
        for i, (base, copied) in enumerate(edges)
    )
    try:
        plan = planned(source)
    except InvalidArgument as error:
        assert any(copied >= i for i, (_, copied) in enumerate(edges)), error.message
        return
    done: set[int] = set()
    for index in plan.order:
        assert done.issuperset(plan.stages[index].needs)
        done.add(index)
    assert plan.target in done
    for index in done - {plan.target}:
        assert any(index in plan.stages[one].needs for one in done)
