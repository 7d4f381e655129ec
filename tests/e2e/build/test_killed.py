"""Builds that are killed or interrupted in any step, at changes spread over all of it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from tests.e2e.build.conftest import BASE, Workshop
from tests.e2e.changing import OF_RUN, signalled_at
from tests.e2e.conftest import PATIENCE, cgroups_of, traces

CHANGES = (*OF_RUN, "os.link")
LIMITS = (2, 16, 30, 44, 60, 80, 100, 125)
DOCKERFILE = f"""
FROM {BASE} AS one
WORKDIR /w/deep
COPY sub sub
ADD files.tar /a/
FROM {BASE}
RUN --mount=type=cache,target=/c --mount=type=bind,target=/b echo x | cat >/c/x; cat /b/sub/0 >/y
COPY --from=one /w /w
COPY <<EOT /t
text
EOT
"""


@pytest.fixture
def lone_workshop(lone_workshop: Workshop) -> Workshop:
    for number in range(5):
        lone_workshop.write(f"sub/{number}", f"{number}")
    with tarfile.open(lone_workshop.context / "files.tar", "w") as archive:
        for number in range(5):
            entry = tarfile.TarInfo(f"d/{number}")
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"abc"))
    lone_workshop.write("Dockerfile", DOCKERFILE)
    lone_workshop.image(f"FROM {BASE}\n")
    return lone_workshop


def signalled(workshop: Workshop, limit: int, number: int, whom: str) -> int:
    """Build until the signal comes; return how that ended, with all of its processes gone."""
    plugrun = workshop.plugrun
    words = (*plugrun.argv[1:], "build", "--no-cache", "-q", "-t", "never", str(workshop.context))
    done = subprocess.run(
        signalled_at(limit, words, CHANGES, number=number, whom=whom),
        capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, (limit, done.stderr)
    assert "internal error" not in done.stderr, (limit, done.stderr)
    assert traces(os.path.dirname(plugrun.root)) == [], limit
    return done.returncode


def marked(workshop: Workshop) -> list[str]:
    return listed(f"{workshop.plugrun.root}/build/active")


def listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def left(workshop: Workshop) -> list[str]:
    root = workshop.plugrun.root
    contexts = [name for name in listed(f"{root}/build") if name.startswith("context-")]
    return [*contexts, *marked(workshop), *listed(f"{root}/containers")]


@pytest.mark.parametrize(
    ("number", "whom"), [(9, "self"), (9, "all"), (2, "all")], ids=["one", "all", "interrupted"]
)
def test_in_any_step(lone_workshop: Workshop, number: int, whom: str) -> None:
    plugrun = lone_workshop.plugrun
    ended = 0
    for limit in LIMITS:
        code = signalled(lone_workshop, limit, number, whom)
        ended += code != 0
        keys = set(marked(lone_workshop))
        assert plugrun.out("ps", "-aq") == "", limit
        assert left(lone_workshop) == [], limit
        assert cgroups_of(keys) == [], limit
    assert ended > 4
    # What steps came to in builds that were not finished is good for the next one, until a prune.
    plugrun("builder", "prune", "-af")
    plugrun("system", "check")
    image = plugrun.out("build", "-q", str(lone_workshop.context))
    assert lone_workshop.run(image, "cat", "/w/deep/sub/4", "/y", "/t") == "40text"
