"""The pytest plugin, used by a pytest of its own."""

import os
import signal
import subprocess
import sys

import pytest
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.reset import reset

from tests.e2e.conftest import ends, processes
from tests.e2e.test_python import examples


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return tmp_path


def arguments(project, *more):
    return [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *more]


def environment(project):
    return {**os.environ, "TMPDIR": f"{project}/tmp"}


def run(project, *more):
    done = subprocess.run(
        arguments(project, *more), cwd=project, env=environment(project), capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert not left(project)
    return done


def left(project):
    found = [name for name in os.listdir(project / "tmp") if name.startswith("plugrun-")]
    return found or [pid for pid, _ in processes(str(project)) if not ends(pid)]


def test_examples_of_the_page(project):
    for number, program in enumerate(examples("testing.md")):
        (project / f"test_{number}.py").write_text(program)
    done = run(project, "--plugrun-require")
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_a_profile_that_cannot_work_is_skipped_or_refused(project):
    (project / "plugrun.yaml").write_text(
        "profiles: {odd: {extends: default, storage: nonesuch}}\n"
    )
    (project / "test_odd.py").write_text(
        "import pytest\n@pytest.mark.plugrun_profiles('odd')\ndef test(plugrun): pass\n"
    )
    done = run(project)
    assert "nonesuch" in done.stdout
    assert "1 skipped" in done.stdout
    assert run(project, "--plugrun-require").returncode == 1


def test_images_can_be_kept(project):
    (project / "test_one.py").write_text(
        "def test(plugrun):\n    before = plugrun.images()\n"
        "    plugrun.start('host:sleep', 'sleep 1000')\n    print('before', len(before))\n"
    )
    for count in (0, 1):
        done = run(project, "--plugrun-root", f"{project}/kept", "-s")
        assert f"before {count}" in done.stdout
    place = f"{project}/kept/default"
    assert os.path.isdir(place)
    reset(open_engine(GlobalOptions(place, f"{place}.run")))


def test_killed_in_the_middle_nothing_is_left(project):
    os.mkfifo(project / "ready")
    (project / "test_long.py").write_text(
        "import time\ndef test(plugrun):\n    plugrun.start('host:sleep', 'sleep 1000')\n"
        "    open('ready', 'w').write('yes')\n    time.sleep(1000)\n"
    )
    process = subprocess.Popen(
        arguments(project), cwd=project, env=environment(project), stdout=subprocess.DEVNULL
    )
    with open(project / "ready", encoding="utf-8") as file:
        assert file.read() == "yes"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(ends(pid) for pid, _ in processes(str(project)))
    assert not left(project)
