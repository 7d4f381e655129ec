"""ADD: archives, the web, repositories; COPY --parents; and what --output makes."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.build.conftest import Workshop
from tests.e2e.conftest import Plugrun


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


@pytest.fixture
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of a folder."""
    folder = tmp_path_factory.mktemp("web")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def archive(*entries: tarfile.TarInfo, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as out:
        for entry in entries:
            out.addfile(entry, io.BytesIO(b"x" * entry.size))
    return buffer.getvalue()


def entry(name: str, **facts: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in facts.items():
        setattr(made, key, value)
    return made


def test_archives_of_the_context_are_unpacked(workshop: Workshop) -> None:
    inner = entry("d/f", size=3, uid=5, gid=6, mode=0o640, mtime=1000)
    for name, mode in (("a.tar", "w"), ("b.tar.gz", "w:gz"), ("c.tar.xz", "w:xz")):
        (workshop.context / name).write_bytes(archive(inner, mode=mode))
    workshop.write("no.gz", "not an archive")
    image = workshop.image(
        """
        FROM BASE
        ADD a.tar /a
        ADD b.tar.gz no.gz /b/
        ADD --chown=8:9 c.tar.xz /c
        ADD --unpack=false a.tar /kept/
        """
    )
    words = ("stat", "-c", "%n %u:%g %a %Y", "/a/d/f", "/b/d/f", "/c/d/f")
    assert workshop.run(image, *words).splitlines() == [
        "/a/d/f 5:6 640 1000",
        "/b/d/f 5:6 640 1000",
        "/c/d/f 8:9 640 1000",
    ]
    assert workshop.run(image, "ls", "/kept", "/b").split() == [
        *("/b:", "d", "no.gz", "/kept:", "a.tar")
    ]


def test_an_archive_replaces_what_is_in_its_way(workshop: Workshop) -> None:
    """A folder by a file, a file and a symlink by a folder: as docker does."""
    folder = {"type": tarfile.DIRTYPE, "mode": 0o755}
    (workshop.context / "first.tar").write_bytes(
        archive(
            entry("folder", **folder),
            entry("folder/deep", **folder),
            entry("folder/deep/file", size=1),
            entry("file", size=2),
            entry("link", type=tarfile.SYMTYPE, linkname="elsewhere"),
            entry("elsewhere", **folder),
        )
    )
    (workshop.context / "second.tar").write_bytes(
        archive(
            entry("folder", size=3),
            entry("file", **folder),
            entry("file/in", size=4),
            entry("link", **folder),
            entry("link/in", size=5),
        )
    )
    image = workshop.image("FROM BASE\nADD first.tar /a\nADD second.tar /a\n")
    words = ("/a/folder", "/a/file", "/a/file/in", "/a/link", "/a/link/in", "/a/elsewhere")
    assert workshop.run(image, "stat", "-c", "%F %s", "/a/folder", "/a/file/in", "/a/link/in") == (
        "regular file 3\nregular file 4\nregular file 5"
    )
    kinds = workshop.run(image, "stat", "-c", "%F", *words).splitlines()
    assert kinds == [
        *("regular file", "directory", "regular file", "directory", "regular file", "directory")
    ]
    assert workshop.run(image, "ls", "/a/elsewhere") == ""
    # Both in one archive, where later entries win.
    data = archive(
        entry("x", **folder), entry("x/y", size=1), entry("x", size=2), entry("z", size=1),
        entry("z", **folder),
    )  # fmt: skip
    (workshop.context / "both.tar").write_bytes(data)
    image = workshop.image("FROM BASE\nADD both.tar /a\n")
    assert workshop.run(image, "stat", "-c", "%F", "/a/x", "/a/z") == "regular file\ndirectory"


@pytest.mark.parametrize(
    "evil",
    [
        [entry("../../escaped", size=1)],
        [entry("/escaped", size=1)],
        [entry("l", type=tarfile.SYMTYPE, linkname="/"), entry("l/escaped", size=1)],
        [entry("l", type=tarfile.SYMTYPE, linkname="../../../.."), entry("l/escaped", size=1)],
        [entry("h", type=tarfile.LNKTYPE, linkname="../../../../etc/shadow")],
    ],
)
def test_hostile_archives_stay_in_the_image(workshop: Workshop, evil: list) -> None:
    (workshop.context / "evil.tar").write_bytes(archive(*evil))
    before = set(os.listdir("/"))
    done = workshop.plugrun(
        *("build", "-q", "-f", "-", str(workshop.context)),
        input="FROM host:sh,ls\nADD evil.tar /in/side/\n",
        code=None,
    )
    assert done.returncode == 0 or "evil.tar: entry " in done.stderr
    assert set(os.listdir("/")) == before
    assert not (workshop.context / "escaped").exists()
    assert workshop.marks() == []


def test_files_of_the_web(workshop: Workshop, web: tuple[str, Path]) -> None:
    url, folder = web
    (folder / "file.txt").write_text("fetched\n")
    os.utime(folder / "file.txt", (1234, 1234))
    (folder / "packed.tar").write_bytes(archive(entry("inner", size=1)))
    digest = hashlib.sha256(b"fetched\n").hexdigest()
    text = f"""
        FROM BASE
        ADD {url}/file.txt {url}/packed.tar /d/
        ADD --unpack {url}/packed.tar /u/
        ADD --checksum=sha256:{digest} --chmod=755 {url}/file.txt /named
        """
    image = workshop.image(text)
    assert workshop.run(image, "ls", "/d", "/u").split() == [
        *("/d:", "file.txt", "packed.tar", "/u:", "inner")
    ]
    assert workshop.run(image, "stat", "-c", "%a %Y", "/d/file.txt", "/named").splitlines() == [
        "600 1234",
        "755 1234",
    ]
    assert workshop.image(text) == image
    wrong = f"FROM BASE\nADD --checksum=sha256:{'0' * 64} {url}/file.txt /x\n"
    assert "digest mismatch" in workshop.build(wrong, code=1).stderr
    assert "404" in workshop.build(f"FROM BASE\nADD {url}/none /x\n", code=1).stderr
    assert [name for name in os.listdir(f"{workshop.plugrun.root}/build") if "-" in name] == []


def test_the_same_archive_is_another_step_where_it_is_not_unpacked(
    workshop: Workshop, web: tuple[str, Path]
) -> None:
    url, folder = web
    data = archive(entry("inner", size=1))
    (folder / "p.tar").write_bytes(data)
    (workshop.context / "p.tar").write_bytes(data)
    (workshop.context / "p.tar").chmod(0o600)  # as what is fetched has
    checked = f"--checksum=sha256:{hashlib.sha256(data).hexdigest()}"
    for source, made in (
        ("p.tar", "inner"),
        (f"{url}/p.tar", "p.tar"),
        (f"{checked} {url}/p.tar", "p.tar"),
        (f"--unpack {checked} {url}/p.tar", "inner"),
    ):
        image = workshop.image(f"FROM BASE\nADD {source} /d/\n")
        assert workshop.run(image, "ls", "/d") == made


def test_no_checksum_is_taken_that_is_not_compared(workshop: Workshop) -> None:
    text = f"FROM BASE\nADD --checksum=sha256:{'0' * 64} https://localhost:1/x.git /x\n"
    assert "checksum is only supported" in workshop.build(text, code=1).stderr


def test_contexts_of_the_web(workshop: Workshop, web: tuple[str, Path]) -> None:
    url, folder = web
    (folder / "plain").write_text("FROM host:sh,cat\nRUN echo web >/x\n")
    image = workshop.plugrun.out("build", "-q", f"{url}/plain")
    assert workshop.run(image, "cat", "/x") == "web"


def test_parents_and_excludes(workshop: Workshop) -> None:
    for name in ("a/b/one", "a/b/two", "a/c/one", "top"):
        workshop.write(name, name)
    (workshop.context / "a/b").chmod(0o750)
    image = workshop.image(
        """
        FROM BASE
        COPY --parents a/b/one ./a/./c/one /p/
        COPY --exclude=**/two --exclude=a/c . /e/
        COPY a/*/one /same/
        """
    )
    words = ("stat", "-c", "%n %a", "/p/a/b", "/p/a/b/one", "/p/c/one", "/e/a/b/one", "/same/one")
    assert workshop.run(image, *words).splitlines() == [
        "/p/a/b 750",
        *(f"{name} 644" for name in ("/p/a/b/one", "/p/c/one", "/e/a/b/one", "/same/one")),
    ]
    assert workshop.run(image, "ls", "/e/a/b", "/e/a").split() == ["/e/a:", "b", "/e/a/b:", "one"]


def test_hard_links_are_part_of_what_is_copied(workshop: Workshop) -> None:
    """Two files of one content and one file of two names are not the same layer."""
    text = """
        FROM host:sh,cat,stat,ln,mkdir,cp AS made
        RUN mkdir /d && echo x >/d/a && {} /d/a /d/b
        FROM host:sh,cat,stat,ln,mkdir,cp
        COPY --from=made /d /d
        """
    for words, links in (("ln", "2"), ("cp -p", "1")):
        image = workshop.image(text.format(words))
        assert workshop.run(image, "stat", "-c", "%h", "/d/a", "/d/b").split() == [links] * 2


def test_hard_links_in_several_sources(workshop: Workshop) -> None:
    workshop.write("one/first", "x")
    (workshop.context / "two").mkdir()
    os.link(workshop.context / "one/first", workshop.context / "two/second")
    text = "FROM BASE\nCOPY --parents one/first two/second /p/\nCOPY one two /s/\n"
    image = workshop.image(text)
    names = ("/p/one/first", "/p/two/second", "/s/first", "/s/second")
    assert workshop.run(image, "stat", "-c", "%s", *names).split() == ["1"] * 4


def test_what_output_makes(workshop: Workshop) -> None:
    dockerfile = "FROM BASE AS tools\nFROM scratch\nCOPY --from=tools /usr/bin/cat /bin/\n"
    top = workshop.context
    before = workshop.plugrun.out("images", "-aq")
    workshop.build(dockerfile, "-o", f"{top}/folder")
    workshop.build(dockerfile, "-o", f"type=tar,dest={top}/out.tar")
    assert workshop.plugrun.out("images", "-aq") == before
    assert os.listdir(f"{top}/folder/bin") == ["cat"]
    with tarfile.open(f"{top}/out.tar") as made:
        assert made.getnames() == ["bin", "bin/cat"]
    words = ("-t", "sent", "-o", f"type=docker,dest={top}/sent.tar")
    workshop.build(dockerfile, *words, "--metadata-file", f"{top}/facts", "--iidfile", f"{top}/id")
    image = workshop.plugrun.inspect("sent")["Id"]
    assert Path(f"{top}/id").read_text() == image
    facts = json.loads(Path(f"{top}/facts").read_text())
    assert facts["containerimage.config.digest"] == image
    with tarfile.open(f"{top}/sent.tar") as made:
        assert json.load(made.extractfile("manifest.json"))[0]["RepoTags"] == ["sent:latest"]


def test_squash_makes_one_layer(workshop: Workshop) -> None:
    image = workshop.image("FROM BASE\nRUN echo 1 >/a; echo 2 >/b\nRUN rm /a\n", "--squash")
    base = workshop.image("FROM BASE\n")
    layers = workshop.plugrun.inspect(image)["RootFS"]["Layers"]
    assert len(layers) == len(workshop.plugrun.inspect(base)["RootFS"]["Layers"]) + 1
    assert workshop.run(image, "cat", "/b") == "2"
    workshop.plugrun("run", "--rm", image, "cat", "/a", code=1)
