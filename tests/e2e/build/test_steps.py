"""What steps do, what of them is found again, and what an image of them is like."""

from __future__ import annotations

import json
import os
import tarfile
import time
from pathlib import Path

from tests.e2e.build.conftest import BASE, Steps, Workshop
from tests.e2e.conftest import PROFILES, fresh_root, profile_named


def test_a_build_runs_and_is_found_again(workshop: Workshop, ends: Steps) -> None:
    workshop.write("data.txt", "one\n")
    workshop.write("sub/deep.txt", "two\n", 0o640)
    dockerfile = """
        FROM BASE
        WORKDIR /app
        COPY . .
        ENV NAME=value
        RUN echo $NAME >made && rm data.txt
        RUN stat -c %n.%u.%g.%a * sub/*
        CMD ["cat", "made", "sub/deep.txt"]
        """
    first = workshop.build(dockerfile, "-t", "mine", "--label", "a=b")
    assert "sub.0.0.755" in first.stderr
    assert "sub/deep.txt.0.0.640" in first.stderr
    assert workshop.run("mine") == "value\ntwo"
    assert "data.txt" not in workshop.run("mine", "ls")
    image = workshop.plugrun.inspect("mine")
    assert image["Config"]["WorkingDir"] == "/app"
    assert "NAME=value" in image["Config"]["Env"]
    assert image["Config"]["Labels"] == {"a": "b"}
    # Times are not what a step depends on.
    os.utime(workshop.context / "data.txt", (1, 1))
    again = workshop.build(dockerfile, "-t", "mine", "--label", "a=b")
    done = ends(again.stderr)
    assert list(done.values()) == ["CACHED"] * 4
    assert workshop.plugrun.inspect("mine")["Id"] == image["Id"]
    workshop.write("data.txt", "three\n")
    changed = ends(workshop.build(dockerfile).stderr)
    assert changed["WORKDIR /app"] == "CACHED"
    assert changed["COPY . ."] == "DONE"
    # What the file was is in no layer above: the step comes to what it was.
    assert changed["RUN echo $NAME >made && rm data.txt"] == "DONE"
    assert workshop.marks() == []


def test_a_cache_outlives_images_and_prunes_of_others(workshop: Workshop, ends: Steps) -> None:
    dockerfile = "FROM BASE\nRUN echo kept >/kept\nRUN cat /kept\n"
    image = workshop.image(dockerfile)
    workshop.plugrun("rmi", image)
    workshop.plugrun("image", "prune", "-a", "-f")
    workshop.plugrun("system", "check")
    done = ends(workshop.build(dockerfile, "-t", "again").stderr)
    assert done["RUN echo kept >/kept"] == "CACHED"
    assert workshop.run("again", "cat", "/kept") == "kept"


def test_no_cache_does_every_step_again(workshop: Workshop, ends: Steps) -> None:
    dockerfile = "FROM BASE AS one\nRUN true\nFROM one\nRUN echo two\n"
    workshop.build(dockerfile)
    assert set(ends(workshop.build(dockerfile, "--no-cache").stderr).values()) == {"DONE"}
    done = ends(workshop.build(dockerfile, "--no-cache-filter", "one").stderr)
    assert (done["RUN true"], done["RUN echo two"]) == ("DONE", "CACHED")


def test_history_tells_every_step(workshop: Workshop) -> None:
    workshop.write("file", "x")
    image = workshop.image('FROM BASE\nCOPY file /\nENV A=b\nRUN echo $A >/b\nCMD ["cat", "/b"]')
    words = ("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert workshop.plugrun.out(*words).splitlines()[:-1] == [
        'CMD ["cat" "/b"]',
        "RUN /bin/sh -c echo $A >/b # buildkit",
        "ENV A=b",
        "COPY file / # buildkit",
    ]
    config = _config(workshop, image)
    told = config["history"][-4:]
    assert [one.get("empty_layer", False) for one in told] == [False, True, False, True]
    assert len([one for one in config["history"] if not one.get("empty_layer")]) == len(
        config["rootfs"]["diff_ids"]
    )


def test_stages(workshop: Workshop, ends: Steps) -> None:
    dockerfile = """
        FROM BASE AS one
        RUN echo 1 >/one
        RUN mkdir /d && echo 3 >/d/three && chmod 600 /d/three
        FROM BASE AS unused
        RUN exit 3
        FROM one AS two
        RUN cat /one >/two
        FROM BASE
        COPY --from=one /one /d /all/
        COPY --from=two two /all/
        """
    done = workshop.build(dockerfile, "-t", "staged")
    assert "exit 3" not in done.stderr
    assert workshop.run("staged", "ls", "/all").split() == ["one", "three", "two"]
    assert workshop.run("staged", "stat", "-c", "%a", "/all/three") == "600"
    # Made anew, and yet the same: what is copied from it is found.
    again = ends(workshop.build(dockerfile, "--no-cache-filter", "one").stderr)
    assert again["RUN echo 1 >/one"] == "DONE"
    assert again["COPY --from=two two /all/"] == "CACHED"
    only = workshop.build(dockerfile, "--target", "one", "-t", "first")
    assert "cat /one" not in only.stderr


def test_stages_are_built_at_once(workshop: Workshop) -> None:
    """Each waits for the other, in a folder that both have."""
    step = "RUN --mount=type=cache,id={id},target=/c touch /c/{own}; until [ -e /c/{other} ]; do"
    step += " sleep 0.05; done"
    id = os.urandom(4).hex()
    workshop.build(
        f"""
        FROM BASE AS one
        {step.format(id=id, own="one", other="two")}
        FROM BASE AS two
        {step.format(id=id, own="two", other="one")}
        FROM BASE
        COPY --from=one /bin/cat /1
        COPY --from=two /bin/cat /2
        """
    )


def test_owners_modes_and_heredocs(workshop: Workshop) -> None:
    workshop.write("file", "x")
    image = workshop.image(
        """
        FROM BASE
        RUN echo 'app:x:123:45::/:/bin/sh' >/etc/passwd; echo 'web:x:67:' >/etc/group
        COPY --chown=app file /a
        COPY --chown=app:web --chmod=u=rwX,go= file /b/
        COPY --chown=9 <<text /c/d
        hello
        text
        RUN <<EOF
        cd /c
        echo $(cat d) again >e
        EOF
        USER app
        RUN id -u >/tmp/u 2>/dev/null || id -u
        """
    )
    shown = workshop.run(image, "stat", "-c", "%n %u:%g %a", "/a", "/b", "/b/file", "/c/d")
    assert shown.splitlines() == [
        "/a 123:45 644",
        "/b 123:67 755",
        "/b/file 123:67 600",
        "/c/d 9:9 644",
    ]
    assert workshop.run(image, "cat", "/c/e") == "hello again"


def test_mount_points_are_in_no_layer(workshop: Workshop) -> None:
    """Not even where the image has no folder for them."""
    workshop.write("tool", "")
    image = workshop.image(
        """
        FROM BASE AS tools
        FROM scratch
        COPY --from=tools / /
        RUN rm -rf /dev /proc /sys /etc/hosts /etc/hostname /etc/resolv.conf 2>/dev/null; true
        RUN echo one >/one
        """
    )
    saved = workshop.plugrun("save", "-o", f"{workshop.context}/saved.tar", image)
    assert saved.returncode == 0
    layers = _layers(f"{workshop.context}/saved.tar")
    assert layers[-1] == {"one"}


def test_the_same_comes_out_byte_for_byte(workshop: Workshop, lone_workshop: Workshop) -> None:
    dockerfile = """
        FROM BASE
        COPY file /data/
        RUN echo made >/data/made; touch /data/file
        LABEL a=b
        """
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    found = set()
    for one in (workshop, lone_workshop):
        one.write("file", "x")
        os.utime(one.context / "file", (time.time(), time.time()))
        found.add(one.image(dockerfile, "--no-cache", env=env))
        assert one.run(*found, "stat", "-c", "%Y", "/data/made") == "1700000000"
    assert len(found) == 1


def test_every_storage_makes_the_same(tmp_path: Path) -> None:
    """One image ID on all: layers are tars of what changed, not of how a storage keeps it."""
    for number in range(3):
        (tmp_path / "sub" / f"{number}").mkdir(parents=True)
        (tmp_path / "sub" / f"{number}" / "file").write_text(f"{number}")
    os.link(tmp_path / "sub/0/file", tmp_path / "sub/1/linked")
    (tmp_path / "sub/link").symlink_to("0/file")
    (tmp_path / "Dockerfile").write_text(
        f"""
        FROM {BASE}
        WORKDIR /w/deep
        COPY sub /data/sub
        COPY --chown=5:6 --chmod=640 sub/0/file /etc/
        RUN rm -r /data/sub/0 && mkdir /data/sub/0 && echo new >/data/sub/0/other
        RUN echo more >>/data/sub/2/file; chmod 700 /data/sub/2; touch -d @5 /data/sub/1/file
        RUN rm /data/sub/link; mkdir /data/sub/link; mknod /data/fifo p
        RUN mkdir -p /x/y && echo 1 >/x/y/z && rm -r /x/y && echo 2 >/x/y
        """
    )
    found = {}
    for config in PROFILES:
        with fresh_root(config) as tool:
            env = {"SOURCE_DATE_EPOCH": "1700000000"}
            found[profile_named(config)] = tool.out("build", "-q", str(tmp_path), env=env)
    assert len(set(found.values())) == 1, found


def _config(workshop: Workshop, image: str) -> dict:
    digest = image.removeprefix("sha256:")
    with open(f"{workshop.plugrun.root}/blobs/sha256/{digest}", "rb") as file:
        return json.load(file)


def _layers(path: str) -> list[set[str]]:
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        return [
            {entry.name for entry in tarfile.open(fileobj=archive.extractfile(layer))}
            for layer in manifest[0]["Layers"]
        ]
