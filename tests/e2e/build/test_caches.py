"""Caches that go from one machine to another in an image, and one that is damaged."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from plugrun.engine.build.borrowing import FIELD
from plugrun.model.descriptor import host_platform

from tests.e2e.build.conftest import Steps, Workshop
from tests.e2e.conftest import PROFILES, Plugrun, fresh_root, profile_named
from tests.registry import Registry, make_image, tar_of

DOCKERFILE = """
    FROM BASE
    WORKDIR /w
    COPY file .
    RUN echo {n} >made; cat /proc/sys/kernel/random/uuid >>made
    RUN true
    LABEL a=b
    RUN cat made >again
    """.replace("{n}", "1")


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Workshop]:
    """Another machine's root, and the same context."""
    [config] = [path for path in PROFILES if profile_named(path) == "overlay-ns"]
    with fresh_root(config) as tool:
        yield Workshop(tool, tmp_path)


def test_a_cache_comes_with_an_image_of_a_registry(
    workshop: Workshop, elsewhere: Workshop, registry: Registry, ends: Steps
) -> None:
    name = f"{registry.host}/app:cached"
    workshop.write("file", "one\n")
    built = workshop.build(DOCKERFILE, "-t", name, "--cache-to", "type=inline", "--push")
    assert f"pushing {name}" in built.stderr
    layers = workshop.plugrun.inspect(name)["RootFS"]["Layers"]
    base = elsewhere.image("FROM BASE\n")
    assert elsewhere.plugrun.inspect(base)["RootFS"]["Layers"] == layers[:1]

    found = elsewhere.build(DOCKERFILE, "--cache-from", name, "-t", "again")
    assert set(ends(found.stderr).values()) == {"CACHED"}
    assert elsewhere.plugrun.inspect("again")["RootFS"]["Layers"] == layers
    made = workshop.run(name, "cat", "/w/again")
    assert elsewhere.run("again", "cat", "/w/again") == made
    # What is pushed on from here are the registry's own blobs.
    second = f"{registry.host}/app:second"
    elsewhere.build(DOCKERFILE, "--cache-from", name, "-t", second, "--push")
    workshop.plugrun("pull", "-q", second)
    assert workshop.run(second, "cat", "/w/again") == made
    elsewhere.plugrun("system", "check")

    # A step over borrowed ones is done, and kept as any.
    elsewhere.write("file", "one\n")
    longer = DOCKERFILE + "RUN echo more >more\n    RUN cat more\n"
    done = ends(elsewhere.build(longer, "--cache-from", f"type=registry,ref={name}").stderr)
    assert done["RUN cat made >again"] == "CACHED"
    assert done["RUN echo more >more"] == "DONE"
    # Nobody else is told what the image says.
    alone = ends(elsewhere.build(DOCKERFILE).stderr)
    assert alone["RUN cat made >again"] == "DONE"
    # What is copied decides here as well.
    elsewhere.write("file", "two\n")
    changed = ends(elsewhere.build(DOCKERFILE, "--cache-from", name).stderr)
    assert changed["WORKDIR /w"] == "CACHED"
    assert changed["COPY file ."] == "DONE"
    assert changed["RUN cat made >again"] == "DONE"


def test_what_an_image_says_of_a_step_without_files_stays_its_own(
    workshop: Workshop, elsewhere: Workshop, registry: Registry, ends: Steps
) -> None:
    """That a step comes to nothing is good for the build that trusts the image, as all it says."""
    text = "FROM BASE AS one\nRUN echo x >/x\nFROM BASE\nCOPY --from=one /x /y\n"
    honest = workshop.image(text, "--cache-to", "type=inline").removeprefix("sha256:")
    with open(f"{workshop.plugrun.root}/blobs/sha256/{honest}", "rb") as file:
        [[[_, late], _, _]] = json.load(file)[FIELD]
    made = make_image([tar_of({"f": b""})], architecture=host_platform().architecture)
    lies = {**json.loads(made.config.data), FIELD: [[[late], "", 0]]}
    config = replace(made.config, data=json.dumps(lies).encode())
    manifest = {**json.loads(made.manifest.data), "config": config.descriptor}
    told = replace(made.manifest, data=json.dumps(manifest).encode())
    registry.push("liar", replace(made, config=config, manifest=told), "1")

    believed = elsewhere.build(text, "--cache-from", f"{registry.host}/liar:1")
    assert ends(believed.stderr)["COPY --from=one /x /y"] == "CACHED"
    done = elsewhere.build(text, "-t", "own")
    assert ends(done.stderr)["COPY --from=one /x /y"] == "DONE"
    assert elsewhere.run("own", "cat", "/y") == "x"


def test_a_base_is_asked_for_again_with_pull(
    workshop: Workshop, elsewhere: Workshop, registry: Registry
) -> None:
    base = f"{registry.host}/base:1"
    text = f"FROM {base}\nRUN cat /version >/seen\n"
    for version, words, seen in (("1", (), "1"), ("2", (), "1"), ("2", ("--pull",), "2")):
        workshop.image(f"FROM BASE\nRUN echo {version} >/version\n", "-t", base, "--push")
        image = elsewhere.image(text, *words)
        assert elsewhere.run(image, "cat", "/seen") == seen
    with_copy = f"FROM scratch\nCOPY --from={base} /version /v\n"
    workshop.image("FROM BASE\nRUN echo 3 >/version\n", "-t", base, "--push")
    folder = elsewhere.context / "out"
    elsewhere.build(with_copy, "--pull", "-o", str(folder))
    assert (folder / "v").read_text() == "3\n"


def test_a_build_goes_on_without_a_cache(workshop: Workshop, registry: Registry) -> None:
    plain = workshop.image("FROM BASE\nRUN true\n")
    for words, said in (
        (("--cache-from", f"{registry.host}/none:1"), "importing cache from"),
        (("--cache-from", plain), "brings no cache along"),
        (("--cache-from", "type=gha,scope=x"), "has no effect"),
        (("--cache-to", "type=local,dest=/nowhere"), "has no effect"),
    ):
        assert said in workshop.build("FROM BASE\nRUN true\n", *words).stderr
    assert not os.path.exists("/nowhere")


@pytest.mark.parametrize("column", ["chain", "blobs"])
@pytest.mark.parametrize("text", ["not json", "[7]"])
def test_a_damaged_row_is_no_row(lone: Workshop, ends: Steps, column: str, text: str) -> None:
    dockerfile = "FROM BASE\nRUN echo x >/x\n"
    lone.build(dockerfile)
    path = f"{lone.plugrun.root}/build/cache.db"
    with sqlite3.connect(path) as db:
        assert db.execute(f"UPDATE steps SET {column}=?", (text,)).rowcount
    db.close()
    assert ends(lone.build(dockerfile).stderr)["RUN echo x >/x"] == "DONE"
    assert ends(lone.build(dockerfile).stderr)["RUN echo x >/x"] == "CACHED"
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE steps SET {column}=?", (text,))
    db.close()
    lone.plugrun("system", "df")
    lone.plugrun("builder", "prune", "-af")


@pytest.fixture(scope="module")
def lone_root() -> Iterator[Plugrun]:
    [config] = [path for path in PROFILES if profile_named(path) == "overlay-ns"]
    with fresh_root(config) as tool:
        yield tool


@pytest.fixture
def lone(lone_root: Plugrun, tmp_path: Path) -> Workshop:
    return Workshop(lone_root, tmp_path)
