"""Tables, sizes, times and rows, as docker 28 prints them."""

import time

import pytest
from plugrun.cli.failure import SaidError
from plugrun.cli.listing import render
from plugrun.cli.table import align, table
from plugrun.cli.units import NS, human_duration, human_size, local_time
from plugrun.cli.views import (
    IMAGES_HEADERS,
    IMAGES_TABLE,
    PS_HEADERS,
    PS_TABLE,
    container_row,
    image_row,
    ps_raw,
    quoted,
    rfc3339_ns,
    shortened,
    status_text,
)
from plugrun.model.container import Status
from plugrun.model.image import Image
from plugrun.model.record import replace

from tests.unit.cli.examples import MINUTE, NOW, container


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"),
        (-5, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (125, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
        (56 * 365 * 86400, "56 years"),
    ],
)
def test_durations(seconds, text):
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (7800, "7.8kB"),
        (7_800_000, "7.8MB"),
        (124_000_000, "124MB"),
        (1_234_567_890, "1.23GB"),
        (999_900, "1MB"),
        (10**18, "1EB"),
    ],
)
def test_sizes(size, text):
    assert human_size(size) == text


def test_sizes_of_a_download_have_four_digits():
    assert human_size(12_345_678, 4) == "12.35MB"
    assert human_size(999_960, 4) == "1MB"


def test_columns_are_ten_wide_or_three_apart():
    assert table(["A", "LONG HEADER", "C"], [["x", "y", "z"], ["x" * 12, "y", ""]]) == (
        "A              LONG HEADER   C\n"
        "x              y             z\n"
        "xxxxxxxxxxxx   y             \n"
    )


def test_a_column_ends_where_a_line_lacks_it():
    assert align("a\tb\nplain\nlonger than ten\tc") == ("a         b\nplain\nlonger than ten   c")


def test_ps_is_dockers_table():
    rows = [
        container_row(container(), Status("running", 7, started_ns=NOW - 5 * NS), False, NOW),
        container_row(
            container("old", entrypoint=("true",), cmd=(), created_ns=NOW - 2 * MINUTE),
            Status("exited", finished_ns=NOW - 3 * MINUTE),
            False,
            NOW,
        ),
    ]
    assert render("", PS_TABLE, PS_HEADERS, rows) == (
        "CONTAINER ID   IMAGE       COMMAND                  CREATED              STATUS"
        "                     PORTS     NAMES\n"
        'abcdef012345   debian:12   "/bin/sh -c \'echo hi…"   About a minute ago   Up 5 seconds'
        "                         web\n"
        'abcdef012345   debian:12   "true"                   2 minutes ago        '
        "Exited (0) 3 minutes ago             old\n"
    )


def test_ps_formats():
    row = container_row(container(), Status("created"), True, NOW)
    assert render("{{.ID}}", PS_TABLE, PS_HEADERS, [row]) == container().id + "\n"
    assert render(r"table {{.Names}}\t{{.Label `a`}}", PS_TABLE, PS_HEADERS, [row]) == (
        "NAMES     a\nweb       b\n"
    )
    assert '"Status":"Created"' in render("json", PS_TABLE, PS_HEADERS, [row])
    assert row["Command"] == "\"/bin/sh -c 'echo hi; sleep 100'\""
    assert row["Labels"] == "a=b,c=d"
    assert row["Mounts"] == "/a"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("{{.ID", "failed to parse template: template: :1: unclosed action"),
        ("{{foo .ID}}", 'failed to parse template: template: :1: function "foo" not defined'),
    ],
)
def test_bad_formats(form, message):
    with pytest.raises(SaidError) as raised:
        render(form, PS_TABLE, PS_HEADERS, [], kind="ContainerContext")
    assert raised.value.message == message
    with pytest.raises(SaidError, match="template parsing error: template: :1: "):
        render(form, PS_TABLE, PS_HEADERS, [])
    assert raised.value.exit_code == 1


def test_every_field_has_a_heading():
    row = container_row(container(), Status("created"), False, NOW)
    assert set(row) == set(PS_HEADERS)
    assert set(image_row(IMAGE, "", "", "", False, NOW)) == set(IMAGES_HEADERS)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (Status("created"), "Created"),
        (Status("running", 1, started_ns=NOW), "Up Less than a second"),
        (
            Status("exited", exit_code=137, finished_ns=NOW - 3600 * NS),
            "Exited (137) About an hour ago",
        ),
        (Status("exited", exit_code=255), "Exited (255)"),
    ],
)
def test_status(status, text):
    assert status_text(status, NOW) == text


IMAGE = Image("sha256:" + "b" * 64, "", 124_000_000, "2023-11-14T21:13:20Z", "linux/amd64", (), ())


def test_images_is_dockers_table():
    rows = [
        image_row(IMAGE, "debian", "12", "", False, NOW),
        image_row(IMAGE, "", "", "", False, NOW),
    ]
    assert render("", IMAGES_TABLE, IMAGES_HEADERS, rows) == (
        "REPOSITORY   TAG       IMAGE ID       CREATED             SIZE\n"
        "debian       12        bbbbbbbbbbbb   About an hour ago   124MB\n"
        "<none>       <none>    bbbbbbbbbbbb   About an hour ago   124MB\n"
    )
    assert image_row(IMAGE, "a", "b", "", True, NOW)["ID"] == IMAGE.id


@pytest.mark.parametrize(
    ("created", "since"),
    [("1970-01-01T00:00:00Z", "53 years ago"), ("0001-01-01T00:00:00Z", "N/A"), ("", "N/A")],
)
def test_an_image_may_not_say_when_it_was_made(created, since):
    image = replace(IMAGE, created=created)
    assert image_row(image, "a", "b", "", False, NOW)["CreatedSince"] == since


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", NS),
        ("1970-01-01T00:00:01.5Z", NS + NS // 2),
        ("1970-01-01T01:00:01.000000001+01:00", NS + 1),
        ("1969-12-31T23:00:00-01:00", 0),
        ("", 0),
        ("yesterday", 0),
        ("0001-01-01T00:00:00Z", -62135596800 * NS),
    ],
)
def test_times_in_configs(text, ns):
    assert rfc3339_ns(text) == ns


def test_local_time_is_in_gos_form(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert local_time(NS) == "1970-01-01 00:00:01 +0000 UTC"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_shortened_counts_its_ellipsis():
    assert shortened("x" * 20, 20) == "x" * 20
    assert shortened("x" * 21, 20) == "x" * 19 + "…"


@pytest.mark.parametrize("listed", [0, 1])
def test_a_field_that_is_not_there(listed):
    row = container_row(container(), Status("created"), True, NOW)
    with pytest.raises(SaidError) as raised:
        render("{{.Foo}}", PS_TABLE, PS_HEADERS, [row] * listed, kind="ContainerContext")
    assert raised.value.message == (
        'failed to execute template: template: :1:2: executing "" at <.Foo>: '
        "can't evaluate field Foo in type *formatter.ContainerContext"
    )


def test_commands_are_quoted_as_go_does():
    assert quoted('a "b"\n\\ é\x01…') == '"a \\"b\\"\\n\\\\ é\\x01…"'


def test_raw_and_json():
    row = container_row(container(), Status("created"), False, NOW)
    raw = render("raw", PS_TABLE, PS_HEADERS, [row], ps_raw(False))
    assert raw.startswith("container_id: abcdef012345\nimage: debian:12\ncommand: ")
    assert raw.endswith("names: web\nlabels: a=b,c=d\nports:\n\n")
    line = render("json", PS_TABLE, PS_HEADERS, [{"B": "<none>", "A": "…", "Label": print}])
    assert line == '{"A":"…","B":"\\u003cnone\\u003e"}\n'


def test_health_and_restarting():
    restarting = Status("restarting", exit_code=1, finished_ns=NOW - 5 * NS)
    assert status_text(restarting, NOW) == "Restarting (1) 5 seconds ago"
    paused = Status("paused", 7, started_ns=NOW - 5 * MINUTE)
    assert status_text(paused, NOW) == "Up 5 minutes (Paused)"
