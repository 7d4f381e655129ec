"""The job matrices, held against what their readers take."""

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from plugrun.errors import InvalidArgument
from plugrun.matrix.cell import Cell
from plugrun.matrix.emit import emit

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
axes = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), words, min_size=1)
several = st.lists(axes, min_size=1, max_size=6).map(
    lambda found: [Cell(f"c{n}", tuple(one.items())) for n, one in enumerate(found)]
)


@given(several)
def test_githubs_is_one_line_of_objects_with_text(cells):
    """``strategy.matrix`` (workflow syntax): ``include`` is a list of objects; a job's output is
    one line of ``$GITHUB_OUTPUT``."""
    text = emit(cells, "github", [])
    assert text.isascii()
    assert text.count("\n") == 1
    document = json.loads(text)
    assert set(document) == {"include"}
    for number, (job, cell) in enumerate(zip(document["include"], cells, strict=True), 1):
        assert all(isinstance(value, str) for value in job.values())
        assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) for key in job)
        assert job == {**dict(cell.axes), "cell": cell.name, "shard": f"{number}/{len(cells)}"}


@given(several, st.lists(words, max_size=3))
def test_gitlabs_is_a_job_whose_matrix_has_variables_of_text(cells, command):
    """``parallel:matrix`` (CI/CD YAML reference): a list of mappings from variables to text."""
    document = yaml.safe_load(emit(cells, "gitlab", ["--matrix", "m.yaml", "--require"], command))
    [job] = document.values()
    assert set(job) == {"parallel", "script", "artifacts"}
    rows = job["parallel"]["matrix"]
    assert [row["CELL"] for row in rows] == [cell.name for cell in cells]
    assert [row["SHARD"] for row in rows] == [
        f"{number}/{len(cells)}" for number in range(1, len(cells) + 1)
    ]
    for row in rows:
        assert all(re.fullmatch(r"[A-Z_]+", key) and type(row[key]) is str for key in row)
    [line] = job["script"]
    assert line.startswith("plugrun matrix --matrix m.yaml --require --shard $SHARD --junit ")
    assert job["artifacts"] == {"when": "always", "reports": {"junit": "junit.xml"}}


@given(several)
def test_jsons_is_a_list_of_jobs(cells):
    assert [job["cell"] for job in json.loads(emit(cells, "json", []))] == [c.name for c in cells]


@pytest.mark.parametrize(("form", "most"), [("github", 256), ("gitlab", 200)])
def test_more_jobs_than_are_taken_are_refused(form, most):
    cells = [Cell(str(number), (("a", str(number)),)) for number in range(most + 1)]
    assert emit(cells[:most], form, [])
    with pytest.raises(InvalidArgument, match=f"takes {most} jobs"):
        emit(cells, form, [])
    assert emit(cells, "json", [])
