"""Dockerfile instructions in `-c`: words, quotes, variables, and what is refused."""

from __future__ import annotations

import pytest
from plugrun.engine.images.instructions import apply_instructions
from plugrun.errors import InvalidArgument

BASE = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "WorkingDir": "/srv", "Labels": {"k": "v"}}


@pytest.mark.parametrize(
    ("line", "key", "wanted"),
    [
        ('CMD ["a", "b c"]', "Cmd", ["a", "b c"]),
        ("CMD a  b", "Cmd", ["/bin/sh", "-c", "a  b"]),
        ('CMD ["a"', "Cmd", ["/bin/sh", "-c", '["a"']),
        ("CMD", "Cmd", []),
        ('cmd ["x"]', "Cmd", ["x"]),
        ("ENV PATH=$PATH:/x B=${A}2", "Env", ["PATH=/bin:/x", "A=1", "B=12"]),
        ("ENV A the rest of it", "Env", ["PATH=/bin", "A=the rest of it"]),
        ("ENV A='$PATH' B=\"$A \\\" q\" C=d\\ e", "Env",
         ["PATH=/bin", "A=$PATH", 'B=1 " q', "C=d e"]),
        ("ENV B=${NO:-else} C=${A:+set} D=\\$A", "Env",
         ["PATH=/bin", "A=1", "B=else", "C=set", "D=$A"]),
        ('LABEL a=b "c d"="e f"', "Labels", {"k": "v", "a": "b", "c d": "e f"}),
        ("EXPOSE 80 90-91/UDP", "ExposedPorts", {"80/tcp": {}, "90/udp": {}, "91/udp": {}}),
        ("USER u$A", "User", "u1"),
        ("WORKDIR a/../b", "WorkingDir", "/srv/b"),
        ("WORKDIR /x", "WorkingDir", "/x"),
        ('VOLUME ["/a b"]', "Volumes", {"/a b": {}}),
        ("VOLUME /a /b", "Volumes", {"/a": {}, "/b": {}}),
        ("STOPSIGNAL SIGINT", "StopSignal", "SIGINT"),
        ("HEALTHCHECK NONE", "Healthcheck", {"Test": ["NONE"]}),
        ('HEALTHCHECK --timeout=1m0.5s --retries=3 CMD ["a"]', "Healthcheck",
         {"Test": ["CMD", "a"], "Timeout": 60_500_000_000, "Retries": 3}),
        ("ONBUILD RUN x", "OnBuild", ["RUN x"]),
    ],
)  # fmt: skip
def test_what_each_does(line: str, key: str, wanted: object) -> None:
    assert apply_instructions(BASE, [line])[key] == wanted


def test_the_config_given_stays_and_order_counts() -> None:
    changed = apply_instructions(BASE, ["ENV A=2", "ENV B=$A\nWORKDIR x", "WORKDIR y"])
    assert changed["Env"] == ["PATH=/bin", "A=2", "B=2"]
    assert changed["WorkingDir"] == "/srv/x/y"
    assert BASE["Env"] == ["PATH=/bin", "A=1"]


def test_an_entrypoint_drops_the_command_unless_one_is_given_too() -> None:
    assert "Cmd" not in apply_instructions(BASE, ["ENTRYPOINT run"])
    both = apply_instructions(BASE, ['CMD ["x"]', "ENTRYPOINT run"])
    assert (both["Cmd"], both["Entrypoint"]) == (["x"], ["/bin/sh", "-c", "run"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN x", "run is not a valid change command"),
        ("ADD a b", "add is not a valid change command"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV x", "ENV must have two arguments"),
        ("ENV a=b c", "can't find = in"),
        ("ENV a=${b", "missing '}'"),
        ("LABEL x", "LABEL must have two arguments"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("EXPOSE abc", "Invalid containerPort: abc"),
        ("EXPOSE 80/xyz", "Invalid proto: xyz"),
        ("EXPOSE 99999", "Invalid containerPort: 99999"),
        ("EXPOSE 9-8", "Invalid range"),
        ("USER", "USER requires exactly one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
        ("STOPSIGNAL NOPE", "Invalid signal"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK x", 'Unknown type "X" in HEALTHCHECK'),
        ("HEALTHCHECK CMD", "Missing command"),
        ("HEALTHCHECK --interval=x CMD a", 'time: invalid duration "x"'),
        ("HEALTHCHECK --what=1 CMD a", "unknown flag: --what"),
        ("HEALTHCHECK NONE x", "takes no arguments"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD x", "Chaining ONBUILD"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
    ],
)
def test_what_is_refused(line: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        apply_instructions(BASE, [line])
    assert said in failure.value.message
