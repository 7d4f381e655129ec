"""Steps that fail, builds that are interrupted or killed, contexts that mean harm."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from plugrun.engine.build.steptree import StepTree
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.taskfile import served_by, write_task_file
from plugrun.interfaces.storage import ACTIVE

from tests.e2e.build.conftest import BASE, Workshop
from tests.e2e.conftest import cgroups_of, traces
from tests.e2e.conftest import ends as process_ends


def test_a_failing_step_says_where_and_how_to_look_inside(workshop: Workshop) -> None:
    dockerfile = "FROM BASE\nRUN echo left >/left; exit 7\nRUN true\n"
    failed = workshop.build(dockerfile, "-t", "never", code=1)
    assert "The command '/bin/sh -c echo left >/left; exit 7' returned a non-zero code: 7" in (
        failed.stderr
    )
    assert "Dockerfile:2" in failed.stderr
    assert ">>> RUN echo left" in failed.stderr
    assert workshop.plugrun("image", "inspect", "never", code=1)
    assert workshop.marks() == []
    kept = workshop.build(dockerfile, "--keep-failed", code=1).stderr
    hint = next(line for line in kept.splitlines() if "look into it: " in line)
    image = hint.split()[-2]
    assert workshop.run(image, "cat", "/left") == "left"


def test_a_failing_stage_ends_the_others(workshop: Workshop) -> None:
    failed = workshop.build(
        """
        FROM BASE AS slow
        RUN sleep 1000
        FROM BASE AS bad
        RUN sleep 0.5; exit 9
        FROM BASE
        COPY --from=slow /bin/cat /
        COPY --from=bad /bin/cat /
        """,
        code=1,
    )
    assert "non-zero code: 9" in failed.stderr
    assert "CANCELED" in failed.stderr
    assert workshop.marks() == []
    assert workshop.plugrun.out("ps", "-aq") == ""


@pytest.mark.parametrize(
    ("number", "whom"),
    [
        (signal.SIGINT, "all"),
        (signal.SIGTERM, "builder"),
        (signal.SIGKILL, "builder"),
        (signal.SIGKILL, "all"),
    ],
)
def test_interrupted_in_a_step(lone_workshop: Workshop, number: int, whom: str) -> None:
    plugrun = lone_workshop.plugrun
    dockerfile = f"FROM {BASE}\nRUN echo begun; sleep 1000\n"
    (lone_workshop.context / "Dockerfile").write_text(dockerfile)
    words = ("build", "--progress", "plain", str(lone_workshop.context))
    builder = plugrun.start(*words, start_new_session=True)
    for line in builder.stderr:
        if line.rstrip().endswith("begun") and "RUN" not in line:
            break
    [key] = lone_workshop.marks()
    mark = Path(f"{plugrun.root}/build/active/{key}").read_text()
    worker = int(mark.split()[0])
    if whom == "all":
        os.killpg(builder.pid, number)
    else:
        builder.send_signal(number)
    builder.communicate(timeout=60)
    assert builder.returncode != 0
    # One that outlives a killed builder cleans up; one that was killed as well leaves it to others.
    assert process_ends(worker)
    plugrun("ps")
    assert lone_workshop.marks() == []
    assert cgroups_of({key}) == []
    assert traces(os.path.dirname(plugrun.root)) == []
    assert not os.path.exists(f"{plugrun.root}/containers/{key}")
    check = plugrun("system", "check")
    assert check.returncode == 0
    lone_workshop.image(f"FROM {BASE}\nRUN true\n")


def test_two_builds_of_the_same_at_once(workshop: Workshop) -> None:
    workshop.write("Dockerfile", f"FROM {BASE}\nRUN echo {os.urandom(4).hex()} >/x\nRUN cat /x\n")
    words = ("build", "-q", str(workshop.context))
    both = [workshop.plugrun.start(*words) for _ in range(2)]
    done = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], done
    for image, _ in done:
        assert workshop.run(image.strip(), "cat", "/x")
    assert subprocess.run([*workshop.plugrun.argv, "system", "check"], check=False).returncode == 0


def test_a_failed_build_leaves_no_id_of_another(workshop: Workshop) -> None:
    ids = workshop.context / "id"
    workshop.build("FROM BASE\n", "--iidfile", str(ids))
    assert ids.read_text().startswith("sha256:")
    workshop.build("FROM BASE\nRUN exit 3\n", "--iidfile", str(ids), code=1)
    assert not ids.exists()


def test_what_the_kernel_refuses_is_no_fault_of_ours(workshop: Workshop) -> None:
    said = workshop.build(f"FROM BASE\nWORKDIR /{'a' * 300}\n", code=1).stderr
    assert "File name too long" in said
    assert "internal error" not in said


def test_a_step_that_has_ended_is_no_remainder(workshop: Workshop) -> None:
    """Between the end of its monitor and its commit it looks like one whose command was killed."""
    plugrun = workshop.plugrun
    engine = open_engine(GlobalOptions(plugrun.root, plugrun.run_root, plugrun.config))
    storage = engine.storage()
    with subprocess.Popen(["sleep", "1000"]) as monitor:
        ended = served_by(monitor.pid)
        monitor.kill()
    with StepTree(engine, storage, "") as tree:
        folder = engine.task_folder(tree.key)
        write_task_file(folder, ended)
        plugrun("ps")
        assert storage.stat(tree.key).kind == ACTIVE
    plugrun("ps")
    assert not os.path.exists(folder)
    engine.close_metadata()
