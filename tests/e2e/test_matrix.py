"""``plugrun matrix``: the real command, cells with roots of their own, and every way to end."""

import json
import os
import signal
import subprocess
from xml.etree import ElementTree

import pytest
from plugrun.engine.reaper import Reaper

from tests.e2e.conftest import PROGRAM, TOP, ends, processes

IMAGE = "host:sh,echo,sleep,true"


@pytest.fixture
def matrix(tmp_path):
    def run(*args, code=0, **more):
        done = subprocess.run(
            [PROGRAM, "matrix", "--roots", str(tmp_path), *args],
            capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path, **more,
        )  # fmt: skip
        assert done.returncode == code, (done.stdout, done.stderr)
        assert [entry for entry in os.listdir(tmp_path) if entry.startswith("plugrun-m")] == []
        assert [words for _, words in processes(str(tmp_path))] == []
        return done.stdout

    return run


def test_each_profile_once_with_its_own_root(matrix, tmp_path):
    report = tmp_path / "r.json"
    script = f"plugrun run --name same {IMAGE} sh -c 'echo in $0'"
    out = matrix("--profiles", f"{TOP}/config/profiles", "--json", report, "--", "sh", "-c", script)
    found = json.loads(report.read_text())
    assert found["ok"]
    assert {cell["name"] for cell in found["cells"]} == {
        name.removesuffix(".yaml") for name in os.listdir(f"{TOP}/config/profiles")
    }
    assert all(cell["log"].endswith("in sh\n") for cell in found["cells"])
    assert "passed" in out.splitlines()[-1]


def test_axes_choose_backends_and_are_told_to_the_command(matrix, tmp_path):
    (tmp_path / "m.yaml").write_text(
        "matrix:\n  storage: [overlay, cow]\n  flavour: [sweet, sour]\n"
        "exclude: [{storage: cow, flavour: sour}]\n"
    )
    script = (
        "plugrun info -f '{{.Driver}}' >got; echo $PLUGRUN_MATRIX_FLAVOUR >>got;"
        "mv got $PLUGRUN_MATRIX_CELL"
    )
    out = matrix("--matrix", "m.yaml", "-j", "1", "--", "sh", "-c", script)
    for name, words in {
        "overlay-flavour=sweet": "overlay\nsweet\n",
        "overlay-flavour=sour": "overlay\nsour\n",
        "cow-flavour=sweet": "cow\nsweet\n",
    }.items():
        assert (tmp_path / name).read_text() == words
    assert "cow-flavour=sour" not in out


def test_what_cannot_run_is_skipped_with_the_reason_and_fails_where_required(matrix, tmp_path):
    (tmp_path / "m.yaml").write_text("matrix: {storage: [overlay, nonesuch]}\n")
    out = matrix("--matrix", "m.yaml", "--", "true")
    assert "nonesuch: skipped because" in out
    assert "1 passed, 1 skipped in" in out
    out = matrix("--matrix", "m.yaml", "--require", "--", "true", code=1)
    assert "1 passed, 1 skipped in" in out
    assert "skipped because it is required, and no storage plugin" in out
    (tmp_path / "bad.yaml").write_text("matrix: {cgroup: [v3]}\n")
    done = subprocess.run(
        [PROGRAM, "matrix", "--matrix", tmp_path / "bad.yaml", "--", "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 125
    assert "cell v3: options.isolation.ns.cgroup_version" in done.stderr
    text = "matrix: {storage: [overlay, nonesuch]}\nrequire: [{storage: nonesuch}]\n"
    (tmp_path / "m.yaml").write_text(text)
    matrix("--matrix", "m.yaml", "--junit", "r.xml", "--", "true", code=1)
    suite = ElementTree.parse(tmp_path / "r.xml").getroot().find("testsuite")
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "0")


def test_failures_show_their_output_and_containers_left_behind_go(matrix):
    script = f"plugrun run -d {IMAGE} sleep 1000; echo this went wrong >&2; exit 7"
    out = matrix("--profiles", "default", "--", "sh", "-c", script, code=1)
    assert "== default: exit code 7\n" in out
    assert "this went wrong" in out


def test_a_time_limit_and_what_is_no_program(matrix):
    out = matrix("--profiles", "default", "--timeout", "1", "--", "sleep", "1000", code=1)
    assert "timed out after" in out
    assert "it was not done after 1 s" in out
    out = matrix("--profiles", "default", "--", "/nonesuch", code=1)
    assert "/nonesuch: No such file or directory" in out


def test_through_runs_the_command_elsewhere(matrix, tmp_path):
    (tmp_path / "m.yaml").write_text(
        "matrix: {cgroup: [v1, v2]}\ncommand: [echo, done]\n"
        "through: [{when: {cgroup: v2}, command: [echo, elsewhere]}]\n"
    )
    matrix("--matrix", "m.yaml", "--logs", "kept")
    assert (tmp_path / "kept/v1.log").read_text() == "done\n"
    assert (tmp_path / "kept/v2.log").read_text() == "elsewhere echo done\n"


def test_shards_and_emitted_jobs_name_the_same_cells(matrix, tmp_path):
    (tmp_path / "m.yaml").write_text("matrix: {storage: [overlay, fuse, cow]}\n")
    jobs = json.loads(matrix("--matrix", "m.yaml", "--emit", "json"))
    for job in jobs:
        listed = matrix("--matrix", "m.yaml", "--shard", job["shard"], "--list")
        assert listed.splitlines()[1].split()[0] == job["cell"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--", "true"), "name the cells"),
        (("--profiles", "default"), "needs a command"),
        (("--profiles", "nonesuch", "--", "true"), 'unknown profile "nonesuch"'),
        (("--profiles", "none/*.yaml", "--", "true"), "no such file"),
        (("--profiles", "default", "--shard", "3/2", "--", "true"), "invalid shard"),
        (("--profiles", "default", "--emit", "jenkins"), "invalid --emit"),
        (("--include", "a=b", "--emit", "json", "--shard", "1/1"), "cannot be used together"),
        (("--profiles", "default", "-j", "0", "--", "true"), "invalid --jobs 0"),
        (("--profiles", "default", "-j", "-1", "--", "true"), "invalid --jobs -1"),
        (("--profiles", "default", "--timeout", "0", "--", "true"), "invalid --timeout 0"),
        (("--include", "storage", "--", "true"), "invalid cell"),
        (("--include", "a=b", "--exclude", "c=d", "--", "true"), "no cell has the axis"),
        (("--include", "storage=foo", "--", "true"), 'no storage plugin "foo" is installed'),
        (("--profiles", "default", "--html", "no/r.html", "--", "true"), "cannot write --html"),
        (("--profiles", "default", "--json", "/", "--", "true"), "cannot write --json /"),
        (("--profiles", "default", "--logs", "/dev/null", "--", "true"), "cannot write into"),
        (("--bogus",), "unknown flag: --bogus"),
    ],
)
def test_mistakes(args, words):
    done = subprocess.run([PROGRAM, "matrix", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert words in done.stderr
    assert done.stdout == ""  # no cell has run


def test_results_are_not_begun_if_others_cannot_be_written(matrix, tmp_path):
    words = ("--profiles", "default", "--html", "r.html", "--logs", "kept", "--junit", "no/r.xml")
    assert matrix(*words, "--", "touch", tmp_path / "ran", code=125) == ""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_cells_and_cleans_up(tmp_path, number):
    with waiting(tmp_path) as process:
        process.send_signal(number)
        assert process.wait(60) == 130
    assert gone(tmp_path)


def test_a_killed_matrix_leaves_nothing(tmp_path):
    with waiting(tmp_path) as process:
        process.kill()
        process.wait()
    assert all(ends(pid) for pid, _ in processes(str(tmp_path)))
    assert gone(tmp_path)


def test_ctrl_c_reaches_the_command_as_what_it_is_and_it_may_take_its_time(tmp_path):
    os.mkfifo(tmp_path / "ready")
    script = (
        f"trap 'echo cleaned up; exit 3' INT; echo yes >{tmp_path}/ready; while :; do wait; done"
    )
    process = subprocess.Popen(
        [PROGRAM, "matrix", "--roots", str(tmp_path), "--include", "a=b", "--print-logs",
         "--grace", "100", "--", "sh", "-c", f"sleep 1000 & {script}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with open(tmp_path / "ready", encoding="utf-8") as file:
        assert file.read() == "yes\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "== a=b: interrupted after" in out
    assert "(the matrix was stopped)\ncleaned up\n" in out


def waiting(tmp_path) -> subprocess.Popen[str]:
    """Start a matrix and return when its cell has a container and waits."""
    os.mkfifo(tmp_path / "ready")
    script = f"plugrun run -d {IMAGE} sleep 1000; echo yes >{tmp_path}/ready; sleep 1000"
    process = subprocess.Popen(
        [PROGRAM, "matrix", "--roots", str(tmp_path), "--profiles", "default", "--",
         "sh", "-c", script],
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with open(tmp_path / "ready", encoding="utf-8") as file:
        assert file.read() == "yes\n"
    return process


def gone(tmp_path) -> bool:
    left = [entry for entry in os.listdir(tmp_path) if entry.startswith("plugrun-matrix-")]
    return not left and not list(processes(str(tmp_path)))


def test_a_root_that_cannot_be_reset_is_told_and_keeps_no_other(tmp_path, capfd):
    top = tmp_path / "roots"
    reaper = Reaper(str(top))
    for name in ("one", "two"):
        (top / name).mkdir(parents=True)
        reaper.watch_root(f"{top}/{name}", f"{top}/run-{name}", "", "")
    (top / "one/plugrun.db").write_bytes(b"no database " * 100)
    assert reaper.finish() == 1
    assert "one" in os.listdir(top)
    assert "two" not in os.listdir(top)
    said = capfd.readouterr().err
    assert f"{top}/one is left: " in said
    assert "Traceback" not in said


def test_all_output_at_the_end_of_each_cell_and_not_again(matrix):
    script = "echo begin $PLUGRUN_MATRIX_A; printf 'no newline'; exit $PLUGRUN_MATRIX_A"
    cells = ("--include", "a=0", "--include", "a=1")
    out = matrix(*cells, "--print-logs", "--", "sh", "-c", script, code=1)
    for number in ("0", "1"):
        assert out.count(f"\nbegin {number}\nno newline\n") == 1


def test_profiles_are_an_axis_that_others_go_with(matrix, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "profile: own\nprofiles: {own: {extends: default, storage: cow}}\n"
    )
    (tmp_path / "m.yaml").write_text(
        "matrix: {profile: [own.yaml, fuse], part: [1]}\n"
        "include: [{profile: own.yaml, storage: overlay}]\n"
    )
    script = "plugrun info -f '{{.Driver}}' >$PLUGRUN_MATRIX_CELL"
    matrix("--matrix", "m.yaml", "--require", "--", "sh", "-c", script)
    found = {
        cell: (tmp_path / cell).read_text() for cell in ("own-part=1", "fuse-part=1", "own-overlay")
    }
    assert found == {"own-part=1": "cow\n", "fuse-part=1": "fuse\n", "own-overlay": "overlay\n"}


def test_an_axis_nearly_spelled_like_ours_is_doubted_and_taken():
    argv = [PROGRAM, "matrix", "--include", "storag=cow", "--list"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert 'did you mean "storage"?' in done.stderr
    assert "storag=cow" in done.stdout
