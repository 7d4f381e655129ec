"""Contexts that are repositories of Git's, from a real server."""

from __future__ import annotations

import functools
import http.server
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.build.conftest import BASE, Workshop
from tests.e2e.conftest import PATIENCE, Plugrun

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


@dataclass(frozen=True)
class Repository:
    """A repository that is served at ``url``; ``commits`` are oldest first."""

    url: str
    folder: Path
    commits: list[str]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *WHO, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    top = tmp_path_factory.mktemp("git")
    folder = top / "app.git"
    folder.mkdir()
    git(folder, "init", "-q")
    commits = []
    for number in (1, 2, 3):
        (folder / "sub").mkdir(exist_ok=True)
        text = f"FROM {BASE}\nCOPY n /n\nCMD cat /n\n"
        for place in ("", "sub"):
            (folder / place / "Dockerfile").write_text(text)
            (folder / place / "n").write_text(f"{number} {place or 'top'}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"commit {number}")
        commits.append(git(folder, "rev-parse", "HEAD"))
        if number == 2:
            git(folder, "tag", "v2")
            git(folder, "branch", "feature/two")
    with Serving(top) as port:
        yield Repository(f"git://127.0.0.1:{port}/app.git", folder, commits)


class Serving:
    """git-daemon(1) of a folder, one process a connection, as inetd has it."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        self._thread.start()
        return self._server.getsockname()[1]

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        words = ["git", "daemon", "--inetd", "--export-all", f"--base-path={self._top}"]
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                subprocess.run(
                    words,
                    stdin=connection,
                    stdout=connection,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("", "3 top"),
        ("#main", "3 top"),
        ("#main:sub", "3 sub"),
        ("#:sub", "3 sub"),
        ("#v2", "2 top"),
        ("#feature/two:sub", "2 sub"),
        ("#refs/heads/feature/two", "2 top"),
        ("#{first}", "1 top"),
        ("#{short}:sub", "1 sub"),
    ],
)
def test_a_ref_and_a_folder(
    workshop: Workshop, repository: Repository, fragment: str, said: str
) -> None:
    first = repository.commits[0]
    url = repository.url + fragment.format(first=first, short=first[:10])
    image = workshop.plugrun.out("build", "-q", url)
    assert workshop.plugrun.out("run", "--rm", image) == said
    assert not [name for name in os.listdir(f"{workshop.plugrun.root}/build") if "context-" in name]


def test_what_is_not_there_is_named(workshop: Workshop, repository: Repository) -> None:
    said = workshop.plugrun("build", f"{repository.url}#nonesuch", code=1).stderr
    assert "couldn't find remote ref nonesuch" in said
    said = workshop.plugrun("build", f"{repository.url}#main:nonesuch", code=1).stderr
    assert "has no folder nonesuch" in said
    said = workshop.plugrun("build", repository.url.replace("app", "none"), code=1).stderr
    assert "failed to fetch the repository" in said


def test_a_server_of_plain_files(
    workshop: Workshop, repository: Repository, tmp_path: Path
) -> None:
    """It can neither give one commit alone nor say what it has but by a list."""
    folder = tmp_path / "plain" / "app.git"
    git(tmp_path, "clone", "-q", "--bare", str(repository.folder), str(folder))
    git(folder, "update-server-info")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(tmp_path / "plain"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/app.git"
            for fragment, said in (
                ("", "3 top"),
                ("#feature/two", "2 top"),
                (f"#{repository.commits[0]}:sub", "1 sub"),
            ):
                image = workshop.plugrun.out("build", "-q", url + fragment)
                assert workshop.plugrun.out("run", "--rm", image) == said
        finally:
            server.shutdown()
            thread.join()


def test_add_takes_a_repository(workshop: Workshop, repository: Repository) -> None:
    text = f"FROM BASE\nADD {repository.url}#v2:sub /r\nADD --keep-git-dir {repository.url} /k\n"
    image = workshop.image(text)
    assert workshop.run(image, "cat", "/r/n", "/k/n").split("\n") == ["2 sub", "3 top"]
    assert "HEAD" in workshop.run(image, "ls", "/k/.git").split()
    assert workshop.image(text) == image


def test_a_hook_that_builds_keeps_its_repository(
    workshop: Workshop, repository: Repository, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "own")
    before = git(tmp_path / "own", "rev-parse", "--git-dir", "--is-bare-repository")
    env = {"GIT_DIR": str(tmp_path / "own/.git"), "GIT_WORK_TREE": str(tmp_path / "own")}
    image = workshop.plugrun.out("build", "-q", repository.url, env=env)
    assert workshop.plugrun.out("run", "--rm", image) == "3 top"
    assert git(tmp_path / "own", "rev-parse", "--git-dir", "--is-bare-repository") == before
    assert sorted(os.listdir(tmp_path / "own")) == [".git"]
    assert not (tmp_path / "own/.git/FETCH_HEAD").exists()


def test_a_submodule_beside_its_repository(workshop: Workshop, tmp_path: Path) -> None:
    for name in ("app", "part", "deep"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        (tmp_path / name / "n").write_text(f"{name}\n")
    (tmp_path / "app/Dockerfile").write_text(f"FROM {BASE}\nCOPY . /r\n")
    for name, inner in (("deep", ""), ("part", "deep"), ("app", "part")):
        if inner:
            words = ("submodule", "add", "-q", f"../{inner}", "inner")
            git(tmp_path / name, "-c", "protocol.file.allow=always", *words)
        git(tmp_path / name, "add", "-A")
        git(tmp_path / name, "commit", "-q", "-m", "all")
    with Serving(tmp_path) as port:
        url = f"git://127.0.0.1:{port}/app"
        image = workshop.plugrun.out("build", "-q", url)
        added = workshop.image(f"FROM BASE\nADD --keep-git-dir {url} /r\n")
    said = workshop.run(image, "cat", "/r/n", "/r/inner/n", "/r/inner/inner/n")
    assert said.split() == ["app", "part", "deep"]
    assert "remote" not in workshop.run(added, "cat", "/r/.git/config")


@pytest.mark.parametrize("scheme", ["git", "http"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_waits_for_a_server_ends_with_the_build(
    workshop: Workshop, scheme: str, number: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/app.git"
        with workshop.plugrun.start("build", url) as building:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(PATIENCE)
                assert connection.recv(1)  # its request: now it waits for an answer
                building.send_signal(number)
                while connection.recv(1 << 16):
                    """Until nobody holds the other end any more."""
            building.communicate(timeout=PATIENCE)
    workshop.plugrun("ps")
    assert os.listdir(f"{workshop.plugrun.root}/build/active") == []
