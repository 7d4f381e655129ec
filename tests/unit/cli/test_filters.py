"""``--filter`` of the listings and of prune, against a root's own database."""

import time

import pytest
from plugrun.cli.filters import pruned_labels_fit, read_bool, read_filters, read_until
from plugrun.cli.imagesfilter import fits, images_filter
from plugrun.cli.psfilter import containers_filter
from plugrun.errors import InvalidArgument, NoSuchContainer, NoSuchImage
from plugrun.model.container import Status
from plugrun.model.image import Image, ImageName
from plugrun.model.mountpoint import MountPoint
from plugrun.model.reference import parse_reference
from plugrun.store.metadata import Metadata

from tests.unit.cli.examples import container

BASE_ID, TOP_ID = "sha256:" + "a" * 64, "sha256:" + "b" * 64
WEB = container(
    "web",
    labels=(("a", "1"), ("b", "")),
    id="abc" + "0" * 61,
    exposed_ports=("80/tcp",),
    mounts=(
        MountPoint("volume", "/data", source="/v/x", volume="data", driver="local"),
        MountPoint("bind", "/b", source="/a"),
    ),
)
OLDER = container("older", id="bca" + "0" * 61, created_ns=WEB.created_ns - 10)
RUNNING = Status("running", 1)
EXITED = Status("exited", exit_code=3)


def made(id, created, *chain):
    return Image(id, "sha256:" + "1" * 64, 1, created, "linux/amd64", (), chain)


class Content:
    def read(self, id):
        return b'{"config": {"Labels": {"made": "here", "n": "1"}}}' if id == TOP_ID else b"{}"


class Engine:
    """A root with two images, of which one is made on the other, and two containers."""

    def __init__(self, path):
        self.metadata, self.content = Metadata(path), Content()
        base = made(BASE_ID, "2024-01-01T00:00:00Z", "c1")
        top = made(TOP_ID, "2024-06-01T00:00:00.5+02:00", "c1", "c2")
        names = ("docker.io/library/debian:12", "docker.io/team/app:1")
        self.metadata.add_image(base, [ImageName(names[0], BASE_ID, "")])
        self.metadata.add_image(top, [ImageName(names[1], TOP_ID, "")])
        self.metadata.add_container(WEB)
        self.metadata.add_container(OLDER)


@pytest.fixture
def engine(tmp_path):
    return Engine(f"{tmp_path}/db")


@pytest.mark.parametrize(
    ("filters", "status", "passes"),
    [
        ((), RUNNING, True),
        (("name=we",), RUNNING, True),
        (("name=^web$",), RUNNING, True),
        (("name=^/web$",), RUNNING, True),
        (("name=db",), RUNNING, False),
        (("name=db", "name=web"), RUNNING, True),
        (("name=[",), RUNNING, False),
        (("NAME = web",), RUNNING, True),
        (("id=abc",), RUNNING, True),
        (("id=bc",), RUNNING, False),
        (("label=a",), RUNNING, True),
        (("label=a=1", "label=b"), RUNNING, True),
        (("label=a=2",), RUNNING, False),
        (("label=a", "label=z"), RUNNING, False),
        (("status=running",), RUNNING, True),
        (("status=exited",), RUNNING, False),
        (("status=exited", "status=running"), RUNNING, True),
        (("exited=3",), EXITED, True),
        (("exited=0",), EXITED, False),
        (("exited=0",), RUNNING, False),
        (("ancestor=debian:12",), RUNNING, True),
        (("ancestor=aaaa",), RUNNING, True),
        (("ancestor=team/app:1",), RUNNING, False),
        (("ancestor=alpine",), RUNNING, False),
        (("ancestor=//",), RUNNING, False),
        (("network=none", "name=web"), RUNNING, True),
        (("network=host", "name=web"), RUNNING, False),
        (("volume=data",), RUNNING, True),
        (("volume=/data",), RUNNING, True),
        (("volume=/a",), RUNNING, True),
        (("volume=/v/x",), RUNNING, False),
        (("since=older",), RUNNING, True),
        (("since=web",), RUNNING, False),
        (("before=web",), RUNNING, False),
        (("health=none",), RUNNING, True),
        (("health=healthy",), RUNNING, False),
        (("expose=80",), RUNNING, True),
        (("expose=70-90/tcp",), RUNNING, True),
        (("expose=80/udp",), RUNNING, False),
        (("publish=80",), RUNNING, False),
        (("is-task=true",), RUNNING, False),
        (("is-task=false",), RUNNING, True),
    ],
)
def test_containers(engine, filters, status, passes):
    assert containers_filter(engine, filters)(WEB, status) is passes


def test_what_was_made_on_top_is_a_descendant(engine):
    derived = container(image=TOP_ID)
    assert containers_filter(engine, ["ancestor=debian:12"])(derived, RUNNING)
    assert not containers_filter(engine, ["ancestor=team/app:1"])(WEB, RUNNING)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo=bar", "Invalid filter 'foo'"),
        ("=bar", "Invalid filter ''"),
        ("status=busy", "Invalid filter 'status=busy'"),
        ("exited=x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("health=well", "Unrecognised filter value for health: well"),
        ("is-task=x", "Invalid filter 'is-task=[x]'"),
        (
            "expose=x",
            'error while looking up for expose x: strconv.ParseUint: parsing "x": invalid syntax',
        ),
        (
            "publish=99999",
            'error while looking up for publish 99999: strconv.ParseUint: parsing "99999": '
            "value out of range",
        ),
    ],
)
def test_wrong_filters(engine, text, message):
    with pytest.raises(InvalidArgument) as raised:
        containers_filter(engine, [text])
    assert raised.value.message == message


def test_a_container_that_is_not_there(engine):
    with pytest.raises(NoSuchContainer):
        containers_filter(engine, ["since=nothing"])


def listed(engine, *texts, pattern=""):
    wanted = images_filter(engine, texts, pattern)
    shown = []
    for name in engine.metadata.image_names():
        image = engine.metadata.image(name.image)
        reference = parse_reference(name.name)
        if wanted.passes(engine, image, True) and wanted.names(reference):
            shown.append(reference.familiar)
    return shown


@pytest.mark.parametrize(
    ("texts", "pattern", "names"),
    [
        ((), "", ["debian:12", "team/app:1"]),
        (("label=made",), "", ["team/app:1"]),
        (("label=made=here", "label=n=1"), "", ["team/app:1"]),
        (("label=made=there",), "", []),
        (("before=team/app:1",), "", ["debian:12"]),
        (("since=debian:12",), "", ["team/app:1"]),
        (("until=2024-03-01T00:00:00Z",), "", ["debian:12"]),
        (("dangling=false",), "", ["debian:12", "team/app:1"]),
        (("dangling=1",), "", []),
        (("reference=deb*",), "", ["debian:12"]),
        (("reference=*:1",), "", []),
        (("reference=*/*:1",), "", ["team/app:1"]),
        (("reference=x", "reference=debian"), "", ["debian:12"]),
        ((), "team/app", ["team/app:1"]),
        ((), "docker.io/team/app:1", ["team/app:1"]),
        ((), "team/[a-b]pp", ["team/app:1"]),
        ((), "team/[^a]pp", []),
        ((), "team", []),
    ],
)
def test_images(engine, texts, pattern, names):
    assert listed(engine, *texts, pattern=pattern) == names


def test_an_image_without_a_name(engine):
    image = engine.metadata.image(BASE_ID)
    assert images_filter(engine, ["dangling=true"], "").passes(engine, image, False)
    assert not images_filter(engine, [], "x").names(None)
    assert images_filter(engine, [], "").names(None)
    with pytest.raises(NoSuchImage):
        images_filter(engine, ["before=nothing"], "")
    with pytest.raises(InvalidArgument):
        fits(parse_reference("debian"), "deb[")


def test_until_and_labels_of_a_prune():
    known = ("until", "label", "label!")
    found = read_until(read_filters(["until=10m"], known))
    assert 0 <= time.time_ns() - 600 * 10**9 - found < 60 * 10**9
    with pytest.raises(InvalidArgument, match="more than one until"):
        read_until(read_filters(["until=1h", "until=2h"], known))
    assert read_until({}) is None
    assert read_bool({}, "dangling") is None
    wanted = read_filters(["label=a", "label!=b=1"], known)
    assert pruned_labels_fit(wanted, {"a": ""})
    assert pruned_labels_fit(wanted, {"a": "", "b": "2"})
    assert not pruned_labels_fit(wanted, {"a": "", "b": "1"})
    assert not pruned_labels_fit(wanted, {})
