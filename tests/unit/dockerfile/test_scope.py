"""A stage step by step: variables, the config, history, warnings."""

from __future__ import annotations

from typing import Any

import pytest
from plugrun.dockerfile.checks import shown, violations
from plugrun.dockerfile.commandline import run_command, run_script
from plugrun.dockerfile.file import parse_dockerfile
from plugrun.dockerfile.instructions import Add, Copy, Run, RunMount, Warned
from plugrun.dockerfile.patterns import Matcher
from plugrun.dockerfile.planning import plan_build
from plugrun.dockerfile.scope import DEFAULT_PATH, Scope, Step, begin, inherit, not_consumed
from plugrun.errors import DockerfileError


def steps(source: str, config: dict[str, Any] | None = None, **build_args: str) -> list[Step]:
    """Go through all stages needed; return the last one's steps."""
    plan = plan_build(parse_dockerfile(source.encode()), build_args=build_args)
    ends: dict[int, Scope] = {}
    done: list[Step] = []
    for index in plan.order:
        below = plan.stages[index].base_stage
        scope = (
            begin(plan, index, config or {}) if below is None else inherit(plan, index, ends[below])
        )
        done = []
        for instruction in plan.stages[index].instructions:
            done.append(scope.step(instruction))
            scope = done[-1].scope
        ends[index] = scope
    return done


def config_of(source: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    return dict(steps(f"FROM base\n{source}", config)[-1].scope.config)


@pytest.mark.parametrize(
    ("source", "key", "wanted"),
    [
        ("ENV A=1 B=$A\nENV C=$A", "Env", [f"PATH={DEFAULT_PATH}", "A=1", "B=", "C=1"]),
        ("ENV PATH=/x:$PATH", "Env", [f"PATH=/x:{DEFAULT_PATH}"]),
        ("ARG A=1 B=$A\nENV C=$B", "Env", [f"PATH={DEFAULT_PATH}", "C=1"]),
        ("ENV $PATH=x", "Env", [f"PATH={DEFAULT_PATH}", f"{DEFAULT_PATH}=x"]),
        ("ENV A=x\nWORKDIR /a\nWORKDIR $A/../c", "WorkingDir", "/a/c"),
        ("ENV A=x\nUSER ${A:-y}", "User", "x"),
        ("ENV A=x\nVOLUME /$A /b", "Volumes", {"/x": {}, "/b": {}}),
        ('ENV A="80 81"\nEXPOSE $A/udp 90-91', "ExposedPorts",
         {"80/tcp": {}, "81/udp": {}, "90/tcp": {}, "91/tcp": {}}),
        ("ENV A=x\nLABEL $A=${A}y", "Labels", {"x": "xy"}),
        ("ENV A=x\nCMD echo $A", "Cmd", ["/bin/sh", "-c", "echo $A"]),
        ('SHELL ["/bin/bash", "-ec"]\nCMD a', "Cmd", ["/bin/bash", "-ec", "a"]),
        ('CMD ["a", "$A"]', "Cmd", ["a", "$A"]),
        ("ENTRYPOINT a", "Entrypoint", ["/bin/sh", "-c", "a"]),
        ("ENV A=TERM\nSTOPSIGNAL $A", "StopSignal", "TERM"),
        ("HEALTHCHECK CMD $A", "Healthcheck", {"Test": ["CMD-SHELL", "$A"]}),
        ("ONBUILD RUN $A", "OnBuild", ["RUN $A"]),
    ],
)  # fmt: skip
def test_what_each_does_to_the_config(source: str, key: str, wanted: object) -> None:
    assert config_of(source)[key] == wanted


def test_an_entrypoint_drops_a_command_from_below() -> None:
    below = {"Cmd": ["x"], "Entrypoint": ["y"]}
    assert "Cmd" not in config_of("ENTRYPOINT a", below)
    assert config_of('CMD ["b"]\nENTRYPOINT ["a"]', below)["Cmd"] == ["b"]
    assert "Entrypoint" not in config_of("ENTRYPOINT []", below)
    assert below == {"Cmd": ["x"], "Entrypoint": ["y"]}


def test_a_stage_on_a_stage_has_its_variables_and_arguments_and_no_triggers() -> None:
    source = "FROM a AS b\nARG X=1\nENV Y=2\nONBUILD USER u\nFROM b\nENV Z=$X$Y"
    scope = steps(source)[-1].scope
    assert scope.config["Env"] == [f"PATH={DEFAULT_PATH}", "Y=2", "Z=12"]
    assert scope.config["User"] == "u"
    assert "OnBuild" not in scope.config


def test_what_arguments_are_worth() -> None:
    source = "ARG G=g\nARG H=h\nFROM a\nARG G\nARG H=own\nARG N\nARG D=$G TARGETOS\nRUN x"
    run = steps(source, D="given", HTTP_PROXY="p")[-1]
    path = f"PATH={DEFAULT_PATH}"
    assert run.created_by == "RUN |5 G=g H=own N= D=given TARGETOS=linux /bin/sh -c x"
    assert set(run.scope.run_environment()) == {
        path, "G=g", "H=own", "D=given", "TARGETOS=linux", "HTTP_PROXY=p", "http_proxy=p",
    }  # fmt: skip
    assert "HTTP_PROXY=p" not in run.scope.cached_environment()


def test_a_global_argument_is_no_variable_of_a_stage_that_does_not_declare_it() -> None:
    found = steps("ARG G=g\nFROM a\nENV A=$G$TARGETARCH")[-1]
    assert "A=" in found.scope.config["Env"]
    assert [one.rule for one in found.warnings] == ["UndefinedVar", "UndefinedVar"]


def test_build_arguments_that_nobody_asked_for() -> None:
    found = parse_dockerfile(b"ARG A\nFROM a AS b\nARG B\nFROM a\nARG C\n")
    given = dict.fromkeys(("A", "B", "C", "D", "TARGETOS", "no_proxy", "BUILDKIT_X"), "1")
    plan = plan_build(found, build_args=given)
    assert not_consumed(plan) == "[Warning] One or more build-args [B D] were not consumed"
    assert not_consumed(plan_build(found, build_args={"A": "1"})) == ""


def test_words_of_copy_and_add() -> None:
    source = """FROM a
ENV D=/d O=1:2 M=755
COPY --chown=$O --chmod=$M --exclude=$D $D/a b <<E <<'F' $D/
it's $D
E
$D
F
ADD --checksum=$O ${D}x y
"""
    _, copy, add = (one.instruction for one in steps(source))
    assert isinstance(copy, Copy)
    assert (copy.chown, copy.chmod, copy.excludes) == ("1:2", "755", ("$D",))
    assert (copy.sources, copy.destination) == (("/d/a", "b"), "/d/")
    assert [one.data for one in copy.contents] == ["it's /d\n", "$D\n"]
    assert isinstance(add, Add)
    assert (add.sources, add.checksum) == (("/dx",), "1:2")


MOUNT = "type=cache,id=$I,target=/c,sharing=locked,mode=0700,uid=$U,gid=2"


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [
        (MOUNT, RunMount("cache", target="/c", id="i", sharing="locked", mode=0o700, uid=7, gid=2,
                         read_only=False)),
        ("target=/x", RunMount(target="/x")),
        ("type=bind,from=img,source=/a,dst=/x,rw", RunMount(origin="img", source="/a", target="/x",
                                                           read_only=False)),
        ("type=tmpfs,target=/x,size=64m", RunMount("tmpfs", target="/x", size=2**26,
                                                   read_only=False)),
        ("type=secret,id=$I,required,env=X", RunMount("secret", id="i", required=True, env="X")),
        ("type=ssh", RunMount("ssh")),
        ("type=bind,target=/x,ro=false", RunMount(target="/x", read_only=False)),
    ],
)  # fmt: skip
def test_mounts(flag: str, wanted: RunMount) -> None:
    run = steps(f"FROM a\nENV I=i U=7\nRUN --mount={flag} x")[-1].instruction
    assert isinstance(run, Run)
    assert run.mounts == (wanted,)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("type=tmfs,target=/x", 'unsupported mount type "tmfs" (did you mean tmpfs?)'),
        ("tpe=cache", "unexpected key 'tpe' in 'tpe=cache' (did you mean type?)"),
        ("type=bind,target", "invalid field 'target' must be a key=value pair"),
        ("type=bind,size=1", "unexpected key 'size' for mount type 'bind'"),
        ("type=tmpfs,size=x", "invalid value for size: x"),
        ("type=bind,required=true", "unexpected key 'required' for mount type 'bind'"),
        ("type=bind,ro=x", "invalid value for ro: x"),
        ("type=bind,uid=1", 'uid not allowed for "bind" type mounts'),
        ("type=cache,mode=9", "invalid value 9 for mode"),
        ("type=cache,sharing=x", 'unsupported sharing value "x"'),
        ("type=bind,sharing=shared", "invalid cache sharing set for bind mount"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,src=b", "both source and id can't be set"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("type=cache,uid=${N:?no}", "N: no"),
    ],
)
def test_mounts_that_are_refused(flag: str, said: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        steps(f"FROM a\nRUN --mount={flag} x")
    assert said in failure.value.message
    assert failure.value.first == 2


@pytest.mark.parametrize(
    ("source", "command", "script"),
    [
        ("RUN a  b", ("/bin/sh", "-c", "a  b"), None),
        ('RUN ["a", "b"]', ("a", "b"), None),
        ("RUN <<E\na\n\tb\nE", ("/bin/sh", "-c", "a\n\tb\n"), None),
        ("RUN <<-E\n\ta\n\tE", ("/bin/sh", "-c", "a\n"), None),
        ("RUN cat <<E > x\na\nE", ("/bin/sh", "-c", "cat <<E > x\na\nE"), None),
        ("RUN <<E\n#!/bin/x\na\nE", ("/dev/pipes/E",), "#!/bin/x\na\n"),
        ('SHELL ["x"]\nRUN a', ("x", "a"), None),
    ],
)
def test_what_run_executes(source: str, command: tuple[str, ...], script: str | None) -> None:
    step = steps(f"FROM a\n{source}")[-1]
    assert isinstance(step.instruction, Run)
    assert run_command(step.instruction, step.scope.config.get("Shell") or ()) == command
    found = run_script(step.instruction)
    assert (found.data if found else None) == script


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("ENV a=b c='d e'", "ENV a=b c=d e"),
        ("COPY --chown=1 --link a b", "COPY --chown=1 a b"),
        ("ADD <<E a /x/\nE", "ADD a <<E /x/"),
        ("WORKDIR a", "WORKDIR /a"),
        ("EXPOSE 81 80/udp", "EXPOSE [80/udp 81/tcp]"),
        ('CMD ["a", "b\\"c"]', 'CMD ["a" "b\\"c"]'),
        ("ENTRYPOINT a", 'ENTRYPOINT ["/bin/sh" "-c" "a"]'),
        ("VOLUME /a /b", "VOLUME [/a /b]"),
        ("LABEL a=b", "LABEL a=b"),
        ("ARG a b=c", "ARG a b=c"),
        ("USER u", "USER u"),
        ("MAINTAINER u v", "MAINTAINER u v"),
        ("RUN a", "RUN /bin/sh -c a"),
        ('RUN ["a", "b"]', "RUN a b"),
        ("STOPSIGNAL 9", "STOPSIGNAL 9"),
        ('SHELL ["a", "b"]', "SHELL [a b]"),
        ("ONBUILD RUN x", "ONBUILD RUN x"),
    ],
)
def test_what_history_tells(source: str, wanted: str) -> None:
    assert steps(f"FROM a\n{source}")[-1].created_by == wanted


@pytest.mark.parametrize(
    ("source", "rule", "line"),
    [
        ("ENV A=$PATHH", "UndefinedVar", 2),
        ("CMD a", "JSONArgsRecommended", 2),
        ("ENTRYPOINT a", "JSONArgsRecommended", 2),
        ('SHELL ["a"]\nCMD b', "", 0),
        ('CMD ["a"]\nCMD ["b"]', "MultipleInstructionsDisallowed", 2),
        ("WORKDIR a", "WorkdirRelativePath", 2),
        ("WORKDIR /a\nWORKDIR b", "", 0),
        ("ENV a b", "LegacyKeyValueFormat", 2),
        ("LABEL a b", "LegacyKeyValueFormat", 2),
        ("ENV DB_PASSWORD=x", "SecretsUsedInArgOrEnv", 2),
        ("ARG api_key", "SecretsUsedInArgOrEnv", 2),
        ("ENV PUBLIC_KEY=x KEYS=x TOKEN_FILE=x", "", 0),
        ("EXPOSE 80/TCP", "ExposeProtoCasing", 2),
        ("EXPOSE 1:80", "ExposeInvalidFormat", 2),
        ("ARG A\nENV B=$A", "", 0),
    ],
)
def test_what_is_warned_of(source: str, rule: str, line: int) -> None:
    found = [(one.rule, one.line) for step in steps(f"FROM a\n{source}") for one in step.warnings]
    assert found == ([(rule, line)] if rule else [])


@pytest.mark.parametrize(
    ("patterns", "source", "said"),
    [
        ("a", "COPY b ./a/c /x/", ['Attempting to Copy file "a/c"']),
        ("a", "ADD a https://h/a /x/", ['Attempting to Add file "a"']),
        ("a", "COPY --from=y a /x", []),
        ("a", "COPY . /x", []),
        ("* a", "COPY . /x", ['Attempting to Copy file "."']),
        ("a !a/b", "COPY a /x", []),
    ],
)
def test_sources_that_are_ignored(patterns: str, source: str, said: list[str]) -> None:
    found = parse_dockerfile(f"FROM z\n{source}\n".encode())
    plan = plan_build(found, ignored=Matcher(patterns.split()))
    step = begin(plan, 0, {}).step(plan.stages[0].instructions[0])
    assert [one.message for one in step.warnings] == [
        f"{text} that is excluded by .dockerignore" for text in said
    ]


def test_a_comment_above_leaves_a_check_out() -> None:
    source = "FROM a\n# check=skip=UndefinedVar\nENV A=$X\nENV B=$Y\n# check=what\nENV C=$Z"
    found = [one.line for step in steps(source) for one in step.warnings]
    assert found == [4, 6]


def test_a_warning_reads_as_dockers() -> None:
    (warned,) = steps("FROM a\nENV A=$PTH")[-1].warnings
    assert (
        shown(warned)
        == "UndefinedVar: Usage of undefined variable '$PTH' (did you mean $PATH?) (line 2)"
    )
    strict = parse_dockerfile(b"# check=skip=X;error=true\nFROM a\n")
    assert violations(strict, [warned, Warned("X", "", 1)]) == (
        "lint violation found for rules: UndefinedVar"
    )
    assert violations(parse_dockerfile(b"FROM a\n"), [warned]) == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("USER ${A", "missing '}'"),
        ("STOPSIGNAL NOPE", "Invalid signal: NOPE"),
        ("EXPOSE abc", "Invalid containerPort: abc"),
        ("EXPOSE 70000", "Invalid containerPort: 70000"),
        ("EXPOSE 80/x", "Invalid proto: x"),
        ("EXPOSE a:80:80", "Invalid ip address: a"),
        ("EXPOSE 1-3:1-2", "Invalid ranges specified for container and host Ports: 1-2 and 1-3"),
        ("ENV A=${B:?must}", "B: must"),
    ],
)
def test_what_is_refused_in_its_place(source: str, said: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        steps(f"FROM a AS web\n\n{source}")
    assert said in failure.value.message
    assert failure.value.message.startswith("Dockerfile:3 (stage web): ")
    assert ">>> " + source in failure.value.excerpt
