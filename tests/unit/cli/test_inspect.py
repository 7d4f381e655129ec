"""``inspect``: Docker's documents, what is found and what is not."""

import json

import pytest
from plugrun.cli.document import fill, parse_template, show_document
from plugrun.cli.failure import SaidError
from plugrun.cli.inspecting import inspect_all
from plugrun.cli.volumespec import parse_volume
from plugrun.engine.inspect.document import container_document, image_document, rfc3339
from plugrun.errors import NoSuchContainer
from plugrun.interfaces.storage import LayerTree
from plugrun.model.container import BackendChoice, Status
from plugrun.model.fence import Limits
from plugrun.model.image import Image, ImageName
from plugrun.model.mount import Mount

from tests.unit.cli.examples import container

CONFIG = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "config": {"Env": ["A=1"], "Cmd": ["sh"], "Unknown": {"kept": True}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
}
IMAGE = Image("sha256:" + "a" * 64, "sha256:" + "b" * 64, 7, "2024-01-01T00:00:00Z", "x", (), ())
DIGEST = "sha256:" + "c" * 64


class Metadata:
    def image_names(self, image_id):
        assert image_id == IMAGE.id
        return [
            ImageName("docker.io/library/debian:12", image_id, DIGEST),
            ImageName("docker.io/library/debian:latest", image_id, DIGEST),
            ImageName(f"localhost:5000/x@{DIGEST}", image_id, DIGEST),
            ImageName("localhost:5000/y:z", image_id, ""),
        ]


class Content:
    def read(self, digest):
        assert digest == IMAGE.id
        return json.dumps(CONFIG).encode()


class Storage:
    def layer_tree(self, key):
        return LayerTree("/s/3", "overlayfs", ("/s/2", "/s/1"))

    def mounts(self, key):
        options = ("lowerdir=/s/2:/s/1", "upperdir=/s/3", "workdir=/s/w", "index=off")
        return (Mount("overlay", "overlay", options),)


class Engine:
    metadata = Metadata()
    content = Content()
    root = "/nowhere"

    def storage_choice(self):
        return BackendChoice("overlay", "1", "because")

    def storage_named(self, name):
        return Storage()

    def container_folder(self, id):
        return f"/root/containers/{id}"

    def storage_of(self, container):
        assert container.storage.name == "overlay"
        return Storage()


def asked():
    """A container of which everything was asked."""
    return container(
        created_ns=1_700_000_000_120_000_000,
        image=IMAGE.id,
        entrypoint=("/entry",),
        cmd=("a", "b"),
        mounts=(parse_volume("/a:/b:ro,rshared"), parse_volume("/c:/d")),
        limits=Limits(memory=64, nano_cpus=5, pids=9),
    )


def test_a_container_is_dockers_document():
    ended = Status("exited", exit_code=3, started_ns=10**9, finished_ns=2 * 10**9)
    found = container_document(Engine(), asked(), ended)
    assert found["Created"] == "2023-11-14T22:13:20.12Z"
    assert (found["Path"], found["Args"], found["Name"]) == ("/entry", ["a", "b"], "/web")
    assert found["State"]["StartedAt"] == "1970-01-01T00:00:01Z"
    assert (found["State"]["Running"], found["State"]["ExitCode"]) == (False, 3)
    assert found["HostConfig"]["Binds"] == ["/a:/b:ro,rshared", "/c:/d"]
    assert found["HostConfig"]["Memory"] == 64
    assert found["HostConfig"]["PidsLimit"] == 9
    assert [m["RW"] for m in found["Mounts"]] == [False, True]
    assert [m["Propagation"] for m in found["Mounts"]] == ["rshared", "rprivate"]
    assert found["Config"]["Entrypoint"] == ["/entry"]
    assert found["Config"]["Labels"] == {"a": "b", "c": "d"}
    assert found["NetworkSettings"]["Networks"].keys() == {"none"}
    assert found["LogPath"].startswith(f"/root/containers/{asked().id}/")
    assert found["Plugrun"]["Storage"] == {"Name": "overlay", "Version": "1", "Why": "because"}
    json.dumps(found)


def test_what_was_not_asked_is_null_as_in_docker():
    bare = container(entrypoint=(), cmd=("x",), mounts=(), limits=Limits())
    found = container_document(Engine(), bare, Status("created"))
    assert found["Config"]["Entrypoint"] is None
    assert found["HostConfig"]["Binds"] is None
    assert found["HostConfig"]["PidsLimit"] is None
    assert found["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    assert found["Mounts"] == []


def test_an_image_is_dockers_document():
    found = image_document(Engine(), IMAGE)
    assert found["RepoTags"] == ["debian:12", "debian:latest", "localhost:5000/y:z"]
    assert found["RepoDigests"] == [f"debian@{DIGEST}", f"localhost:5000/x@{DIGEST}"]
    assert found["Config"] == CONFIG["config"]
    assert found["GraphDriver"] == {"Data": None, "Name": "overlay"}
    assert found["RootFS"] == {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]}
    assert (found["Architecture"], found["Variant"], found["Os"]) == ("arm64", "v8", "linux")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1, "1970-01-01T00:00:00.000000001Z"),
        (10**9, "1970-01-01T00:00:01Z"),
        (0, "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_in_gos_form(ns, text):
    assert rfc3339(ns) == text


# -- printing ----------------------------------------------------------------------------------


def find(name):
    if name.startswith("no"):
        raise NoSuchContainer(f"No such object: {name}")
    return {"Id": name, "Error": "<x>&ü", "Labels": {"a.b": "c"}, "Args": [], "State": {"Pid": 1}}


def test_documents_are_indented_by_four_and_not_escaped(capsys):
    assert inspect_all(["one"], "", find) == 0
    assert capsys.readouterr().out == (
        '[\n    {\n        "Id": "one",\n        "Error": "<x>&ü",\n        "Labels": {\n'
        '            "a.b": "c"\n        },\n        "Args": [],\n        "State": {\n'
        '            "Pid": 1\n        }\n    }\n]\n'
    )


def test_what_is_missing_is_told_after_what_is_found(capsys):
    assert inspect_all(["no1", "one", "no2"], "{{.Id}}", find) == 1
    assert capsys.readouterr() == (
        "one\n",
        "Error: No such object: no1\nError: No such object: no2\n",
    )


def test_nothing_found_is_an_empty_list(capsys):
    assert inspect_all(["no"], "", find) == 1
    assert capsys.readouterr() == ("[]\n", "Error: No such object: no\n")
    assert inspect_all(["no"], "{{.Id}}", find) == 1
    assert capsys.readouterr().out == "\n"


def test_json_is_one_line(capsys):
    assert inspect_all(["one", "two"], "json", find) == 0
    assert json.loads(capsys.readouterr().out)[1]["Id"] == "two"


def test_a_template_that_is_none():
    with pytest.raises(SaidError) as raised:
        inspect_all(["one"], "{{.Id", find)
    assert raised.value.exit_code == 64
    assert raised.value.message == "template parsing error: template: :1: unclosed action"


def test_a_template_that_asks_for_what_is_not_there(capsys):
    assert inspect_all(["one", "two"], "{{.Nope}}", find) == 1
    why = 'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"'
    assert capsys.readouterr() == ("\n", f"template parsing error: {why}\n" * 2)


def test_labels_are_a_map_and_may_lack_keys():
    form = parse_template('{{.Labels.nope}}|{{index .Labels "a.b"}}|{{index .Labels "x"}}')
    assert fill(form, find("one")) == "<no value>|c|"


def test_documents_by_format():
    assert show_document({"A": 1}, "json") == '{"A":1}\n'
    assert show_document({"A": 1}, "{{.A}}") == "1\n"
