"""What of a context gets into an image, and what never does."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.build.conftest import Workshop
from tests.e2e.conftest import Plugrun


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


def test_nothing_from_outside_of_the_context_gets_in(workshop: Workshop) -> None:
    outside = workshop.context.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret").write_text("secret")
    workshop.write("own", "own")
    context = workshop.context
    (context / "link").symlink_to(outside / "secret")
    (context / "up").symlink_to("../outside/secret")
    (context / "folder").symlink_to(outside)
    (context / "inner").symlink_to("own")
    (context / "round").symlink_to("round")
    for name in ("link", "up", "folder/secret", "../outside/secret", "round"):
        failed = workshop.build(f"FROM BASE\nCOPY {name} /x\n", code=1)
        assert "not found" in failed.stderr or "too many symlinks" in failed.stderr
    # A whole folder takes symlinks along as what they are.
    image = workshop.image("FROM BASE\nCOPY . /c\nCOPY inner /i\nCOPY ../own /../../j\n")
    assert workshop.run(image, "stat", "-c", "%F", "/c/link", "/c/folder", "/i", "/j").split(
        "\n"
    ) == ["symbolic link", "symbolic link", "regular file", "regular file"]


def test_what_is_no_file_neither_hangs_nor_harms(workshop: Workshop) -> None:
    os.mkfifo(workshop.context / "fifo")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(workshop.context / "socket"))
        image = workshop.image("FROM BASE\nCOPY . /c\n")
    assert workshop.run(image, "ls", "/c") == "fifo"
    os.mknod(workshop.context / "device", 0o600 | 0o020000, os.makedev(1, 3))
    failed = workshop.build("FROM BASE\nCOPY . /c\n", code=1)
    assert "device is a device, which no context may bring" in failed.stderr


def test_what_dockerignore_keeps_out(workshop: Workshop) -> None:
    for name in ("kept", "left", "deep/left", "deep/kept"):
        workshop.write(name, name)
    (workshop.context / "to-left").symlink_to("left")
    workshop.write(".dockerignore", "left\ndeep\n!deep/kept\n.dockerignore\n")
    image = workshop.image("FROM BASE\nCOPY . /c\n")
    assert workshop.run(image, "ls", "/c", "/c/deep").split() == [
        *("/c:", "deep", "kept", "to-left", "/c/deep:", "kept"),
    ]
    for name in ("left", "to-left", "deep/left"):
        assert "not found" in workshop.build(f"FROM BASE\nCOPY {name} /x\n", code=1).stderr


def test_standard_input_is_a_dockerfile_or_an_archive(workshop: Workshop) -> None:
    plugrun = workshop.plugrun
    words = [*plugrun.argv, "build", "-q", "-"]
    from tests.e2e.build.conftest import BASE

    text = f"FROM {BASE}\nRUN echo in >/in\n".encode()
    done = subprocess.run(words, input=text, capture_output=True, check=True)
    assert workshop.run(done.stdout.decode().strip(), "cat", "/in") == "in"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in (("Dockerfile", text + b"COPY x /x\n"), ("x", b"packed\n")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    done = subprocess.run(words, input=buffer.getvalue(), capture_output=True, check=True)
    assert workshop.run(done.stdout.decode().strip(), "cat", "/x") == "packed"
    assert [name for name in os.listdir(f"{plugrun.root}/build") if "context-" in name] == []


def test_a_dockerfile_may_be_a_pipe(workshop: Workshop) -> None:
    read, write = os.pipe()
    os.write(write, b"FROM scratch\n")
    os.close(write)
    try:
        path = f"/proc/{os.getpid()}/fd/{read}"
        workshop.plugrun("build", "-q", "-f", path, str(workshop.context))
    finally:
        os.close(read)


def test_a_dockerfile_without_an_end_is_refused(workshop: Workshop) -> None:
    done = workshop.plugrun("build", "-", input="# " + "x" * (17 << 20), code=None)
    assert done.returncode == 1
    assert "bytes" in done.stderr


@pytest.mark.parametrize("words", ["- <&-", "-f - . <&-", "-o - . >&-"])
def test_closed_streams_are_no_other_files(workshop: Workshop, words: str) -> None:
    workshop.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    done = subprocess.run(
        ["sh", "-c", f'"$@" build {words}', "sh", *workshop.plugrun.argv],
        cwd=workshop.context,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "is closed" in done.stderr
