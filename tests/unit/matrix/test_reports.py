"""What is written down of results, whatever a cell has printed."""

import json
from xml.etree import ElementTree

import pytest
from plugrun.cli.matrixviews import failure_log, result_table, summary
from plugrun.matrix.cell import FAILED, INTERRUPTED, PASSED, SKIPPED, TIMED_OUT, Cell, Result
from plugrun.matrix.emit import FORMS, emit
from plugrun.matrix.htmlreport import html_report
from plugrun.matrix.jsonreport import json_report
from plugrun.matrix.junit import junit_xml
from plugrun.matrix.logtail import tail

HOSTILE = b"\x1b[31m\x00\xff<script>alert(1)</script>]]>\xed\xa0\x80 &amp; \xef\xbf\xbf\n"


@pytest.fixture
def results(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(HOSTILE)

    def result(name, state, *, required=False, **more):
        cell = Cell(name, (("storage", name), ("python", "3")), required=required)
        return Result(cell, state, **more)

    return [
        result("a", PASSED, code=0, seconds=1.5, began=1.0, log=str(log)),
        result("b", FAILED, code=3, seconds=2.0, reason="exit code 3", log=str(log)),
        result("c", SKIPPED, reason="no <c> here"),
        result("d", SKIPPED, required=True, reason="no d here"),
        result("e", TIMED_OUT, code=143, reason="its 5 s are over"),
        result("f", INTERRUPTED, reason="never started"),
    ]


def test_junit_is_xml_and_counts(results):
    suite = ElementTree.fromstring(junit_xml(results, ["run", "\x01"])).find("testsuite")
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "2", "errors": "2", "skipped": "1"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert "<script>" in cases["a"].find("system-out").text
    assert cases["c"].find("skipped").get("message") == "no <c> here"
    assert cases["d"].find("failure").get("message") == "no d here"
    assert cases["e"].find("error").get("type") == TIMED_OUT


def test_json_has_every_cell(results):
    found = json.loads(json_report(results, ["run"]))
    assert not found["ok"]
    assert found["counts"] == {
        PASSED: 1, FAILED: 1, TIMED_OUT: 1, INTERRUPTED: 1, SKIPPED: 2,
    }  # fmt: skip
    assert [cell["code"] for cell in found["cells"]] == [0, 3, -1, -1, 143, -1]
    assert json.loads(json_report(results[:1] + results[2:3], ["run"]))["ok"]


def test_a_page_escapes_what_cells_say_and_loads_nothing(results):
    page = html_report(results, ["run", "<b>"], "1 passed")
    assert "<script>alert" not in page
    assert "no &lt;c&gt; here" in page
    assert "://" not in page
    assert page.count("<button") == page.count("<section") == 6


def test_the_result_table_has_a_column_for_each_axis(results):
    header, *rows = result_table(results, colour=False).splitlines()
    assert header.split() == ["CELL", "STORAGE", "PYTHON", "TIME", "STATE", "WHY"]
    assert rows[1].split() == ["b", "b", "3", "2.0", "s", "failed", "exit", "code", "3"]
    assert all(line == line.rstrip() for line in rows)
    assert "\x1b[32m" in result_table(results, colour=True)


def test_summary_and_logs(results):
    said = summary(results, 0.0)
    assert said.startswith("1 passed, 1 failed, 1 timed out, 1 interrupted, 2 skipped in ")
    assert failure_log(results[1]).startswith("\n== b: exit code 3\n")


def test_a_long_log_is_cut_at_its_beginning(tmp_path):
    (tmp_path / "log").write_bytes(b"a" * 100 + b"end")
    found = tail(str(tmp_path / "log"), most=10)
    assert found == "[93 bytes before this are left out]\naaaaaaaend"


@pytest.mark.parametrize("form", FORMS)
def test_emitted_jobs_are_shards(form):
    cells = [Cell("a", (("storage", "a"),)), Cell("b", (("storage", "b"),))]
    text = emit(cells, form, ["--profiles", "config/*.yaml"], ["make", "a b"])
    assert "1/2" in text
    assert "2/2" in text
    if form == "gitlab":
        assert "--profiles 'config/*.yaml' --shard $SHARD" in text
        assert "-- make 'a b'" in " ".join(text.split()).replace("''", "'")
    else:
        jobs = json.loads(text)
        jobs = jobs["include"] if form == "github" else jobs
        assert jobs[1] == {"cell": "b", "storage": "b", "shard": "2/2"}
