"""How a build is shown: on a terminal, line by line, and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.build.conftest import BASE, Workshop
from tests.e2e.conftest import Plugrun
from tests.e2e.terminal import Terminal


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


def test_for_programs(workshop: Workshop) -> None:
    text = "FROM BASE\nRUN echo said; echo too >&2\nRUN exit 3\n"
    (workshop.context / "Dockerfile").write_text(text.replace("BASE", BASE))
    done = workshop.plugrun("build", "--progress", "json", str(workshop.context), code=1)
    lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
    events = [json.loads(line) for line in lines]
    named = {one["step"]: one["name"] for one in events if one["event"] == "begin"}
    [said] = [number for number, name in named.items() if "RUN echo said" in name]
    [failed] = [number for number, name in named.items() if "RUN exit 3" in name]
    told = "".join(one["text"] for one in events if one["event"] == "output")
    assert sorted(told.split()) == ["said", "too"]
    ends = {one["step"]: one for one in events if one["event"] in ("done", "failed", "cached")}
    assert ends[said]["event"] == "done"
    assert ends[said]["seconds"] > 0
    assert ends[failed]["event"] == "failed"
    assert "non-zero code: 3" in ends[failed]["message"]
    again = workshop.plugrun("build", "--progress", "json", str(workshop.context), code=1)
    assert '"event":"cached"' in again.stderr


@pytest.mark.parametrize("kind", [("--progress", "tty"), ()])
def test_on_a_terminal(workshop: Workshop, kind: tuple[str, ...]) -> None:
    text = f"FROM {BASE}\nRUN echo {len(kind)}; echo shown while it runs\nRUN echo kept; exit 5\n"
    (workshop.context / "Dockerfile").write_text(text)
    argv = [*workshop.plugrun.argv, "build", *kind, str(workshop.context)]
    with Terminal(argv) as terminal:
        terminal.expect("[+] Building")
        terminal.expect("\x1b[J")  # what was drawn is drawn anew
        terminal.expect("ERROR [3/3] RUN echo kept; exit 5")
        terminal.expect("kept")
        terminal.expect("Dockerfile:3")
        assert terminal.process.wait(60) == 1


def test_an_unknown_kind_is_refused(workshop: Workshop) -> None:
    said = workshop.build("FROM BASE\n", "--progress", "rainbow", code=None).stderr
    assert "rainbow" in said
