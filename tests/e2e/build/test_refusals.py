"""What is wrong is said before anything is built, with the place where it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.build.conftest import Workshop
from tests.e2e.conftest import Plugrun
from tests.registry import Registry


@pytest.fixture
def workshop(overlay: Plugrun, tmp_path: Path) -> Workshop:
    """On one profile: no storage has a part in this."""
    return Workshop(overlay, tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "stage"),
    [
        ("FROM BASE\nRUN true\nFROM {image}\n", 3, "stage-1"),
        ("ARG A={image}\nFROM $A AS one\n", 2, "one"),
        ("FROM BASE\nRUN true\n\nCOPY --from={image} /x /\n", 4, ""),
        ("FROM BASE AS b\nFROM b AS c\nRUN --mount=from={image},target=/m true\n", 3, "c"),
    ],
)
def test_an_image_that_is_not_there(
    workshop: Workshop, registry: Registry, text: str, line: int, stage: str
) -> None:
    image = f"{registry.host}/none:1"
    said = workshop.build(text.format(image=image), code=1).stderr
    where = f"Dockerfile:{line}" + (f" (stage {stage})" if stage else "")
    assert f"Error: {where}: " in said
    assert ">>> " in said
    assert image in said.partition("Error:")[2]


def test_a_secret_that_is_not_there(workshop: Workshop) -> None:
    """Before the first step."""
    text = "FROM BASE\nRUN echo begun\nRUN --mount=type=secret,id=a true\n"
    said = workshop.build(text, "--secret", "id=a,src=/none/such", code=1).stderr
    assert "failed to stat /none/such: No such file or directory" in said
    assert "#1" not in said
    large = workshop.write("large", "x" * (501 << 10))
    said = workshop.build(text, "--secret", f"id=a,src={large}", code=1).stderr
    assert "more than 500 kB" in said


def test_a_network_that_is_not_there(workshop: Workshop) -> None:
    text = "FROM BASE\nRUN echo begun\n"
    said = workshop.build(text, "--network", "nonesuch", code=1).stderr
    assert "network nonesuch not found" in said
    assert "#1" not in said


def test_options_of_other_builders_change_nothing(workshop: Workshop) -> None:
    text = "FROM BASE\nRUN echo plain >/x\n"
    image = workshop.image(text)
    words = (
        *("--provenance=false", "--sbom=false", "--attest", "type=sbom,disabled=true", "--load"),
        *("--builder", "mine", "--allow", "network.host", "--call", "build", "--rm", "--force-rm"),
        *("--compress", "--isolation", "default", "--disable-content-trust"),
        *("--cache-to", "type=gha,mode=max", "--cache-from", "type=gha"),
        *("-o", "type=image,oci-mediatypes=true,compression=gzip,unpack=true,store=true"),
    )
    assert workshop.image(text, *words) == image


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--provenance=mode=max",), "attestations are not made"),
        (("--sbom=true",), "attestations are not made"),
        (("--attest", "type=sbom"), "attestations are not made"),
        (("--build-context", "a=b"), "no named contexts"),
        (("--allow", "security.insecure"), "the fence of a container"),
        (("--check",), "is checked only while it is built"),
        (("--call", "outline"), "is checked only while it is built"),
        (("--isolation", "hyperv"), "there is only default"),
        (("--security-opt", "seccomp=unconfined"), "leave it out"),
        (("--memory-swap", "1g"), "--memory alone"),
        (("--push",), "tag is needed when pushing"),
        (("--push", "-t", "x", "-o", "type=tar,dest=x"), "it is no image"),
        (("-o", "type=registry"), "tag is needed when pushing"),
        (("-o", "type=image,compression=zstd"), "compression=zstd is not supported"),
        (("-o", "type=image,dest=x"), "dest is not for images"),
        (("-o", "type=image,push=maybe"), "'maybe' is no boolean"),
        (("-o", "type=local,dest=x,name=y"), "files have no name"),
        (("-o", "type=image,annotation.a=b"), "--annotation KEY=VALUE"),
        (("-o", "type=tape"), "type is one of image, registry, local"),
        (("--ssh", "default=/none/such"), "No such file or directory"),
        (("--ssh", "default=/"), "neither one socket of an agent nor files of keys"),
        (("--ssh", "default=/etc/passwd"), "--ssh default=/etc/passwd cannot be used"),
        (("--platform", "linux/amd64,linux/arm64"), "linux/amd64,linux/arm64"),
        (("--cache-from", "type=registry"), "it has no ref"),
    ],
)
def test_what_is_not_there_is_refused(
    workshop: Workshop, words: tuple[str, ...], said: str
) -> None:
    done = workshop.build("FROM BASE\nRUN echo begun\n", *words, code=None)
    assert done.returncode in (1, 125)
    assert said in done.stderr
    assert "begun" not in done.stderr
    assert os.listdir(workshop.context) == []


def test_quiet_shows_what_a_failing_step_wrote(workshop: Workshop) -> None:
    text = "FROM BASE\nRUN echo fine; :\nRUN echo wrong; echo more >&2; exit 4\n"
    said = workshop.build(text, "-q", code=1)
    assert said.stdout == ""
    assert "RUN echo wrong" in said.stderr
    assert " wrong\n" in said.stderr
    assert " more\n" in said.stderr
    assert "fine\n" not in said.stderr
    done = workshop.build("FROM BASE\nRUN echo fine; echo fine >&2\n", "-q")
    assert done.stderr == ""
    assert done.stdout.startswith("sha256:")


def test_an_output_names_and_pushes(workshop: Workshop, registry: Registry) -> None:
    one, two = f"{registry.host}/out:one", f"{registry.host}/out:two"
    text = "FROM BASE\nRUN echo sent >/x\n"
    built = workshop.build(text, "-o", f'type=image,"name={one},{two}",push=true')
    assert f"pushing {two}" in built.stderr
    workshop.build(text, "-t", "kept:1", "-o", "type=image,name=kept:2")
    image = workshop.plugrun.inspect("kept:2")["Id"]
    assert workshop.plugrun.inspect("kept:1")["Id"] == image
    for name in (one, two):
        assert workshop.plugrun.inspect(name)["Id"] == image
        workshop.plugrun("rmi", name)
        workshop.plugrun("pull", "-q", name)
        assert workshop.run(name, "cat", "/x") == "sent"
    refused = workshop.build(text, "-t", "127.0.0.1:1/x", "--push", code=1).stderr
    assert "127.0.0.1:1" in refused
