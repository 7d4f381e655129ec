"""Images by name and ID; what goes with a removal and what stays."""

from __future__ import annotations

import os

import pytest
from plugrun.engine.images.find import find_image
from plugrun.engine.images.pull import pull
from plugrun.engine.images.rmi import remove_image
from plugrun.errors import Conflict, InvalidArgument, NoSuchImage
from plugrun.model.record import replace
from plugrun_storage_overlay.storage import OverlayStorage

from tests.registry import MadeImage, make_image, tar_of
from tests.unit.engine.images.pulling import FullTrees, Source, TriedEngine
from tests.unit.store.test_metadata import CONTAINER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

BASE = tar_of({"base": b"b" * 20_000})


@pytest.fixture(params=[OverlayStorage, FullTrees], ids=["independent", "one by one"])
def engine(request, tmp_path):
    made = TriedEngine(str(tmp_path), Source(), request.param)
    yield made
    made.close()


def pulled(engine, name: str, *extra: bytes) -> MadeImage:
    made = make_image([BASE, *(tar_of({"extra": data}) for data in extra)])
    pull(engine, engine.source.put(name, made), None)
    return made


def remove(engine, text: str, force: bool = False, running: bool = False):
    return remove_image(engine, text, force, lambda id: running)


def use(engine, image: MadeImage) -> None:
    engine.metadata.add_container(replace(CONTAINER, image=image.config.digest))


def assert_empty(engine) -> None:
    assert engine.metadata.images() == []
    assert engine.metadata.image_names() == []
    assert list(engine.content.walk()) == []
    assert os.listdir(f"{engine.root}/ingest") == []
    assert list(engine.storage().walk()) == []


# -- finding ----------------------------------------------------------------------------------


def test_the_ways_to_name_an_image(engine):
    image = pulled(engine, "test/one:1")
    id = image.config.digest
    names = ["test/one:1", "docker.io/test/one:1", "docker://test/one:1", id, id[7:], id[7:19]]
    names += [
        id[:19],
        id[7:8],
        f"test/one@{image.manifest.digest}",
        f"test/one:1@{image.manifest.digest}",
    ]
    for name in names:
        assert find_image(engine, name).id == id, name


def test_the_default_tag(engine):
    image = pulled(engine, "test/one")
    assert find_image(engine, "test/one").id == find_image(engine, "test/one:latest").id
    assert find_image(engine, "test/one").id == image.config.digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("test/one:2", "No such image: test/one:2"),
        ("test/one", "No such image: test/one:latest"),
        ("f" * 64, "No such image: "),
        ("sha256:" + "0" * 64, "No such image: sha256:000"),
        ("test/one@sha256:" + "0" * 64, "No such image: test/one@sha256:000"),
    ],
)
def test_no_such_image(engine, text, words):
    pulled(engine, "test/one:1")
    with pytest.raises(NoSuchImage, match=words):
        find_image(engine, text)


@pytest.mark.parametrize("text", ["", "A B", "one/UPPER", ":tag", "../x", "x@sha256:1"])
def test_names_that_are_none(engine, text):
    with pytest.raises(InvalidArgument):
        find_image(engine, text)


def test_a_name_goes_before_an_id(engine):
    image = pulled(engine, "test/one:1")
    digits = image.config.digest[7:11]
    other = pulled(engine, digits, b"x")
    assert find_image(engine, digits).id == other.config.digest


def test_a_start_that_several_ids_have(engine):
    found = [pulled(engine, f"test/n{n}:1", str(n).encode()).config.digest for n in range(17)]
    digits = [digest[7] for digest in found]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    with pytest.raises(NoSuchImage) as raised:
        find_image(engine, f"sha256:{twice}")
    assert raised.value.hint == f"several images have an ID that starts with sha256:{twice}"


# -- removing ---------------------------------------------------------------------------------


def test_removing_by_name(engine):
    image = pulled(engine, "test/one:1", b"x")
    chain = find_image(engine, "test/one:1").chain
    gone = remove(engine, "test/one:1")
    assert gone.untagged == ("test/one:1", f"test/one@{image.manifest.digest}")
    assert gone.deleted == (image.config.digest, *reversed(chain))
    assert_empty(engine)


@pytest.mark.parametrize("how", ["id", "short"])
def test_removing_by_id(engine, how):
    id = pulled(engine, "test/one:1").config.digest
    assert remove(engine, {"id": id, "short": id[7:19]}[how]).deleted[0] == id
    assert_empty(engine)


def test_a_digest_goes_and_the_tag_stays(engine):
    image = pulled(engine, "test/one:1")
    digest = f"test/one@{image.manifest.digest}"
    assert remove(engine, digest).untagged == (digest,)
    with pytest.raises(NoSuchImage):
        find_image(engine, digest)
    assert remove(engine, "test/one:1").untagged == ("test/one:1",)
    assert_empty(engine)


def test_one_name_of_two(engine):
    image = pulled(engine, "test/one:1")
    pull(engine, engine.source.put("test/one:2", image), None)
    gone = remove(engine, "test/one:1")
    assert gone.untagged == ("test/one:1",)  # the digest is the other tag's too
    assert gone.deleted == ()
    assert find_image(engine, "test/one:2").id == image.config.digest
    with pytest.raises(NoSuchImage):
        find_image(engine, "test/one:1")
    remove(engine, "test/one:2")
    assert_empty(engine)


@pytest.mark.parametrize("other", ["test/one:2", "test/two:1"])
def test_an_id_with_several_names_must_be_forced(engine, other):
    image = pulled(engine, "test/one:1")
    pull(engine, engine.source.put(other, image), None)
    with pytest.raises(Conflict, match=r"must be forced.*multiple repositories"):
        remove(engine, image.config.digest)
    assert find_image(engine, other).id == image.config.digest
    gone = remove(engine, image.config.digest, force=True)
    assert {"test/one:1", other} <= set(gone.untagged)
    assert len(set(gone.untagged)) == len(gone.untagged)
    assert_empty(engine)


def test_shared_layers_stay(engine):
    one, two = pulled(engine, "test/one:1", b"1"), pulled(engine, "test/two:1", b"2")
    gone = remove(engine, "test/one:1")
    chains = find_image(engine, "test/two:1").chain
    assert not set(gone.deleted) & set(chains)
    assert {snapshot.key for snapshot in engine.storage().walk()} == set(chains)
    kept = {blob.digest for blob in (two.manifest, two.config, *two.layers)}
    assert set(engine.content.walk()) == kept
    assert one.layers[0].digest in kept
    remove(engine, "test/two:1")
    assert_empty(engine)


def test_an_image_in_use(engine):
    image = pulled(engine, "test/one:1")
    use(engine, image)
    short = CONTAINER.id[:12]
    with pytest.raises(Conflict, match=rf"must force.*container {short} is using"):
        remove(engine, "test/one:1")
    id = image.config.digest
    for force in (False, True):
        with pytest.raises(Conflict, match=rf"cannot be forced.*running container {short}"):
            remove(engine, id, force=force, running=True)
    with pytest.raises(Conflict, match=rf"must be forced.*by stopped container {short}"):
        remove(engine, id)
    gone = remove(engine, "test/one:1", force=True, running=True)
    assert gone.untagged[0] == "test/one:1"
    assert gone.deleted == ()
    assert find_image(engine, image.config.digest).id == image.config.digest
    engine.metadata.remove_container(CONTAINER.id)
    remove(engine, image.config.digest)
    assert_empty(engine)


def test_nothing_is_freed_while_a_pull_is_under_way(engine):
    image = pulled(engine, "test/one:1")
    with engine.locks.shared("images"):
        assert remove(engine, "test/one:1").deleted == (image.config.digest,)
        assert len(list(engine.storage().walk())) == 1
    # The next pull finds the layer and its blob here, and the next removal frees all.
    pulled(engine, "test/one:1")
    remove(engine, "test/one:1")
    assert_empty(engine)
