"""commit and import: images made here, run, and made again."""

from __future__ import annotations

import bz2
import gzip
import http.server
import json
import lzma
import os
import signal
import subprocess
import tarfile
import threading
from collections.abc import Iterator

import pytest
import zstandard

from .conftest import HOST_IMAGE, Plugrun, layer

CHANGE = (
    "rm /etc/issue; rm -rf /etc/apt; mkdir /etc/apt; echo new >/etc/apt/new; chmod u+s /usr/bin/tac"
)
SEEN = "cat /etc/apt/new; ls /etc/apt /etc/issue; stat -c %a /usr/bin/tac"


def test_an_image_is_committed_run_and_committed_again(plugrun: Plugrun, debian: str) -> None:
    plugrun("run", "--name", "first", "-e", "OWN=1", "-w", "/tmp", debian, "sh", "-c", CHANGE)
    id = plugrun.out("commit", "-m", "said", "-a", "me <me@here>", "first", "made/here:1")
    assert id.startswith("sha256:") and len(id) == 71
    seen = plugrun("run", "--name", "second", "made/here:1", "sh", "-c", SEEN, code=None)
    assert seen.stdout.splitlines()[0] == "new"
    assert "/etc/issue" in seen.stderr
    assert "apt.conf.d" not in seen.stdout
    assert seen.stdout.splitlines()[-1] == "4755"
    again = plugrun.out("container", "commit", "second", "made/here:2")
    document = plugrun.inspect("made/here:2")
    assert document["Id"] == again
    base = len(plugrun.inspect(debian)["RootFS"]["Layers"])
    assert len(document["RootFS"]["Layers"]) == base + 2
    first = plugrun.inspect("made/here:1")
    assert (first["Author"], first["Comment"]) == ("me <me@here>", "said")
    assert first["Config"]["WorkingDir"] == "/tmp"
    assert "OWN=1" in first["Config"]["Env"]
    assert first["Config"]["Cmd"] == ["sh", "-c", CHANGE]
    steps = plugrun.out("history", "--no-trunc", "--format", "{{.CreatedBy}}", "made/here:1")
    assert steps.splitlines()[0] == f"sh -c {CHANGE}"
    plugrun("rm", "first", "second")
    plugrun("rmi", "made/here:1", "made/here:2")


def test_changes_are_dockerfile_instructions(plugrun: Plugrun) -> None:
    plugrun("create", "--name", "base", HOST_IMAGE, "sh")
    changes = (
        'CMD ["a", "b"]',
        'ENV X=1 Y="2 3"\nENV Z=$X-${Y:-no}',
        "EXPOSE 80 81-82/udp",
        'LABEL a=b "c d"="e f"',
        "USER me",
        'VOLUME ["/v"]',
        "WORKDIR /sub\nWORKDIR deeper",
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK --interval=1m30s --retries=2 CMD true",
        "ONBUILD RUN x",
        "ENTRYPOINT run it",
    )
    plugrun("commit", *(word for one in changes for word in ("-c", one)), "base", "changed")
    config = plugrun.inspect("changed")["Config"]
    assert config["Cmd"] == ["a", "b"]
    assert set(config["Env"]) >= {"X=1", "Y=2 3", "Z=1-2 3"}
    assert set(config["ExposedPorts"]) == {"80/tcp", "81/udp", "82/udp"}
    assert config["Labels"] == {"a": "b", "c d": "e f"}
    assert (config["User"], config["WorkingDir"]) == ("me", "/sub/deeper")
    assert config["Volumes"] == {"/v": {}}
    assert config["StopSignal"] == "SIGINT"
    assert config["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    assert config["Healthcheck"]["Interval"] == 90_000_000_000
    assert config["OnBuild"] == ["RUN x"]
    assert config["Entrypoint"] == ["/bin/sh", "-c", "run it"]
    for wrong, said in (
        ("RUN x", "run is not a valid change command"),
        ("ENV x", "ENV must have two arguments"),
        ("EXPOSE abc", "Invalid containerPort: abc"),
        ("HEALTHCHECK x", 'Unknown type "X" in HEALTHCHECK (try CMD)'),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("VOLUME", "VOLUME requires at least one argument"),
    ):
        assert said in plugrun("commit", "-c", wrong, "base", code=1).stderr
    plugrun("rmi", "changed")


def test_an_entrypoint_drops_the_command_that_was_for_another(plugrun: Plugrun) -> None:
    plugrun("create", "--name", "base", HOST_IMAGE, "sh")
    plugrun("commit", "-c", 'ENTRYPOINT ["sh"]', "base", "entered")
    assert not plugrun.inspect("entered")["Config"].get("Cmd")
    plugrun("rmi", "entered")


def test_a_running_container_is_paused_and_goes_on(plugrun: Plugrun) -> None:
    plugrun("run", "-d", "--name", "busy", HOST_IMAGE, "sh", "-c", "echo x >/made; sleep 600")
    plugrun("exec", "busy", "sh", "-c", "while [ ! -e /made ]; do :; done")
    plugrun("commit", "busy", "of-busy")
    assert plugrun.inspect("busy")["State"]["Status"] == "running"
    assert plugrun.out("run", "--rm", "of-busy", "cat", "/made") == "x"
    said = plugrun.out("events", "--since", "10m", "--until", "0s", "--format", "{{.Action}}")
    acts = [line for line in said.splitlines() if line in ("pause", "commit", "unpause")]
    assert acts[-3:] == ["pause", "unpause", "commit"]
    plugrun("commit", "--pause=false", "busy", "of-busy")
    plugrun("pause", "busy")
    plugrun("commit", "busy", "of-busy")
    assert plugrun.inspect("busy")["State"]["Status"] == "paused"
    plugrun("unpause", "busy")
    plugrun("rmi", "of-busy")


def test_two_commits_at_once_and_an_image_without_a_name(alone: Plugrun) -> None:
    alone("run", "--name", "source", HOST_IMAGE, "sh", "-c", "echo x >/made")
    both = [alone.start("commit", "source", f"twin:{n}") for n in range(4)]
    assert [(one.wait(60), one.communicate()[1]) for one in both] == [(0, "")] * 4
    for number in range(4):
        assert alone.out("run", "--rm", f"twin:{number}", "cat", "/made") == "x"
    name = alone.out("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    base = next(one for one in name if not one.startswith("twin"))
    alone("rmi", "-f", base)
    id = alone.out("commit", "source")
    assert alone.out("run", "--rm", id, "cat", "/made") == "x"
    assert "No such container: nowhere" in alone("commit", "nowhere", code=1).stderr
    assert "must be lowercase" in alone("commit", "source", "BAD", code=1).stderr


def test_a_killed_commit_leaves_nothing_that_stays(alone: Plugrun) -> None:
    script = "i=0; while [ $i -lt 200 ]; do echo $i >/f$i; i=$((i+1)); done; "
    script += "dd if=/dev/zero of=/big bs=1000000 count=60"
    alone("run", "--name", "source", HOST_IMAGE, "sh", "-c", script)
    for pause in (0.05, 0.1, 0.15, 0.2, 0.3):
        running = alone.start("commit", "source", "killed")
        try:
            running.wait(pause)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
        running.communicate()
        assert alone.inspect("source")["State"]["Status"] == "exited"
    alone("commit", "source", "whole")
    assert alone.out("run", "--rm", "whole", "cat", "/f199") == "199"
    alone("rmi", "-f", "whole")
    alone("rmi", "-f", "killed", code=None)
    alone("rm", "source")
    alone("system", "prune", "-af")
    assert os.listdir(f"{alone.root}/ingest") == []
    assert os.listdir(f"{alone.root}/blobs/sha256") == []
    for backend in os.listdir(f"{alone.root}/storage"):
        assert os.listdir(f"{alone.root}/storage/{backend}/l") == []


ARCHIVE = layer(("bin", None, 0o755), ("data", b"imported\n", 0o644))
FORMS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_in_any_compression_is_imported(plugrun: Plugrun, form: str, tmp_path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(FORMS[form](ARCHIVE))
    id = plugrun.out("import", "-c", "CMD x y", "-m", "hello", str(path), f"in/{form}")
    with open(path, "rb") as file:
        argv = [*plugrun.argv, "image", "import", "-c", "CMD x y", "-", f"in/{form}:piped"]
        piped = subprocess.run(
            ["sh", "-c", 'cat | "$@"', "sh", *argv],
            stdin=file,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    document = plugrun.inspect(f"in/{form}")
    assert document["Id"] == id and document["Comment"] == "hello"
    assert document["Config"] == {"Cmd": ["/bin/sh", "-c", "x y"]}
    assert plugrun.inspect(f"in/{form}:piped")["RootFS"] == document["RootFS"]
    assert plugrun.inspect(piped.strip())["Comment"] == "Imported from -"
    plugrun("create", "--name", "look", id, "x")
    plugrun("export", "-o", str(tmp_path / "out.tar"), "look")
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert archive.extractfile("data").read() == b"imported\n"
    plugrun("rm", "look")
    plugrun("rmi", f"in/{form}", f"in/{form}:piped")


@pytest.fixture
def web(tmp_path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **more) -> None:
            super().__init__(*args, directory=str(tmp_path), **more)

        def log_message(self, *args) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_import_from_the_web_and_what_is_no_archive(plugrun: Plugrun, web: str, tmp_path) -> None:
    (tmp_path / "a.tgz").write_bytes(gzip.compress(ARCHIVE))
    plugrun("import", "--platform", "linux/arm64", f"{web}/a.tgz", "of-web")
    document = plugrun.inspect("of-web")
    assert document["Comment"] == f"Imported from {web}/a.tgz"
    assert document["Architecture"] == "arm64"
    assert "404" in plugrun("import", f"{web}/none", code=1).stderr
    soon = {"PLUGRUN_HTTP_STALL_TIMEOUT": "soon"}
    assert "not a number" in plugrun("import", f"{web}/a.tgz", env=soon, code=None).stderr
    before = json.dumps(sorted(os.listdir(f"{plugrun.root}/blobs/sha256")))
    (tmp_path / "garbage").write_bytes(b"no tar" * 1000)
    (tmp_path / "cut").write_bytes(gzip.compress(ARCHIVE)[:-20])
    for name in ("garbage", "cut"):
        assert "Error: " in plugrun("import", str(tmp_path / name), code=1).stderr
    assert json.dumps(sorted(os.listdir(f"{plugrun.root}/blobs/sha256"))) == before
    missing = plugrun("import", "/nonexistent", code=1).stderr
    assert missing == "open /nonexistent: no such file or directory\n"
    assert "is no archive" in plugrun("import", str(tmp_path), code=1).stderr
    plugrun("rmi", "of-web")
