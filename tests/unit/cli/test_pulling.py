"""What a pull prints, as docker 28 does for the same progress."""

import io

import pytest
from plugrun.cli import progress
from plugrun.cli.progress import Live, Plain, bar, board
from plugrun.cli.pulling import PullView, registry_reference, run_observer
from plugrun.engine.request import RunRequest

ID = "a1b2c3d4e5f6"
DIGEST = "sha256:" + "a" * 64


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return -1


def tell(view):
    view.resolved("debian", "latest", DIGEST)
    view.layer(ID, "Pulling fs layer")
    view.layer(ID, "Waiting")
    view.layer(ID, "Downloading", 1000, 45_000_000)
    view.layer(ID, "Downloading", 45_000_000, 45_000_000)
    view.layer(ID, "Verifying Checksum")
    view.layer(ID, "Download complete")
    view.layer(ID, "Extracting", 45_000_000, 45_000_000)
    view.layer(ID, "Pull complete")
    view.layer(ID, "Pull complete")
    view.done(DIGEST, False, "debian:latest")


def test_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    tell(PullView(board(stream)))
    assert stream.getvalue().splitlines() == [
        "latest: Pulling from library/debian",
        f"{ID}: Pulling fs layer",
        f"{ID}: Waiting",
        f"{ID}: Verifying Checksum",
        f"{ID}: Download complete",
        f"{ID}: Pull complete",
        f"Digest: {DIGEST}",
        "Status: Downloaded newer image for debian:latest",
    ]


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setattr(progress, "width", lambda fd=1: 150)


def test_one_line_a_layer_on_a_terminal(wide):
    stream = Terminal()
    tell(PullView(board(stream)))
    shown = [
        "Pulling fs layer",
        "Waiting",
        "Downloading [>                                                  ]      1kB/45MB",
        "Downloading [==================================================>]     45MB/45MB",
        "Verifying Checksum",
        "Download complete",
        "Extracting [==================================================>]     45MB/45MB",
        "Pull complete",
    ]
    drawn = "".join(f"\x1b[1A\x1b[2K\r{ID}: {text}\r\x1b[1B" for text in shown)
    assert stream.getvalue() == (
        f"latest: Pulling from library/debian\n\n{drawn}Digest: {DIGEST}\n"
        "Status: Downloaded newer image for debian:latest\n"
    )


def test_lines_of_several_layers_keep_their_places(wide):
    stream = Terminal()
    live = Live(stream)
    live.state("one", "Waiting")
    live.state("two", "Waiting")
    live.state("one", "Pull complete")
    assert stream.getvalue() == (
        "\n\x1b[1A\x1b[2K\rone: Waiting\r\x1b[1B"
        "\n\x1b[1A\x1b[2K\rtwo: Waiting\r\x1b[1B"
        "\x1b[2A\x1b[2K\rone: Pull complete\r\x1b[2B"
    )


def test_progress_is_drawn_ten_times_a_second_at_most(wide, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    stream = Terminal()
    live = Live(stream)
    for current in range(50):
        live.advance("one", "Downloading", current, 100)
    assert stream.getvalue().count("Downloading") == 1
    now[0] += 0.2
    live.advance("one", "Downloading", 50, 100)
    live.advance("one", "Downloading", 100, 100)
    assert stream.getvalue().count("Downloading") == 3


@pytest.mark.parametrize(
    ("columns", "length"), [(150, 50), (111, 50), (98, 50), (80, 32), (60, 12), (57, 0), (20, 0)]
)
def test_a_bar_fits_the_terminal(columns, length):
    text = bar(1, 2, columns)
    assert (text.find("]") - 2 if "[" in text else 0) == length
    assert len(f"{ID}: Downloading {bar(123_400_000, 123_400_000, columns)}") < max(columns, 45)


def test_a_download_of_unknown_size():
    assert bar(12_300_000, 0, 150) == "  12.3MB"


def test_a_pull_by_digest_and_from_elsewhere():
    stream = io.StringIO()
    view = PullView(Plain(stream))
    view.resolved("localhost:5000/x/y", "z", DIGEST)
    view.resolved("debian", "", DIGEST)
    view.done(DIGEST, True, "debian@" + DIGEST)
    assert stream.getvalue().splitlines() == [
        "z: Pulling from x/y",
        f"docker.io/library/debian@{DIGEST}: Pulling from library/debian",
        f"Digest: {DIGEST}",
        f"Status: Image is up to date for debian@{DIGEST}",
    ]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (RunRequest("debian"), "Unable to find image 'debian:latest' locally\n"),
        (RunRequest("host:sh"), "Unable to find image 'host:sh' locally\n"),
        (RunRequest("debian", pull="always"), ""),
        (RunRequest("debian", quiet=True), ""),
    ],
)
def test_run_pulls_on_standard_error(capsys, request_, text):
    observer = run_observer(request_)
    if request_.pull == "missing":
        observer.missing(request_.image)
    assert capsys.readouterr() == ("", text)
    observer.resolved("debian", "latest", DIGEST)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert bool(captured.err) == (not request_.quiet)


def test_unpacking_tells_of_layers_without_a_pull(capsys):
    observer = run_observer(RunRequest("debian"))
    observer.unpacking("debian", "cow")
    for state in ("Pulling fs layer", "Download complete", "Already exists", "Pull complete"):
        observer.layer("a1b2", state)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Unpacking debian:latest for storage cow", "a1b2: Unpacked"]


def test_only_registry_addresses_have_references():
    assert registry_reference("host:sh") is None
    assert registry_reference("UPPER") is None
    found = registry_reference("docker://debian", default_tag="")
    assert found is not None
    assert (found.familiar_name, found.tag) == ("debian", "")
