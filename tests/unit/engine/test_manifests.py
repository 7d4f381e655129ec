"""Manifests, indexes and configs: hostile bytes, judged field by field."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.engine.manifests import (
    Index,
    chain_ids,
    no_match,
    parse_image_config,
    parse_manifest,
    select,
)
from plugrun.errors import Corrupt, InvalidArgument, NoMatchingPlatform, PlugrunError
from plugrun.model.descriptor import Descriptor, Platform, parse_platform
from plugrun.model.image import (
    CONFIG_DOCKER,
    CONFIG_OCI,
    INDEX_OCI,
    LAYER_GZIP,
    MANIFEST_DOCKER,
    MANIFEST_OCI,
    Manifest,
)


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def entry(name: str, kind: str = LAYER_GZIP, size: int = 7, **more: object) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(name), "size": size, **more}


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": MANIFEST_OCI,
    "config": entry("config", CONFIG_OCI),
    "layers": [entry("a"), entry("b")],
}


def index(*entries: dict[str, object]) -> bytes:
    return raw({"schemaVersion": 2, "mediaType": INDEX_OCI, "manifests": list(entries)})


def offer(name: str, platform: str, kind: str = MANIFEST_OCI) -> dict[str, object]:
    os, architecture, *variant = platform.split("/")
    shape = {"os": os, "architecture": architecture}
    if variant:
        shape["variant"] = variant[0]
    return entry(name, kind, platform=shape)


# -- manifests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CONFIG_OCI, CONFIG_DOCKER])
def test_a_manifest(kind):
    found = parse_manifest(raw({**MANIFEST, "config": entry("config", kind), "unknown": 1}))
    assert found == Manifest(
        Descriptor(kind, digest("config"), 7),
        (Descriptor(LAYER_GZIP, digest("a"), 7), Descriptor(LAYER_GZIP, digest("b"), 7)),
    )


def test_a_manifest_need_not_say_what_it_is():
    body = {key: value for key, value in MANIFEST.items() if key != "mediaType"}
    assert isinstance(parse_manifest(raw(body), MANIFEST_DOCKER), Manifest)
    assert isinstance(parse_manifest(raw(body), "text/plain"), Manifest)


WRONG = {
    "no JSON": (b"{", "no JSON"),
    "no UTF-8": (b"\xff{}", "no JSON"),
    "two documents": (b"{}{}", "no JSON"),
    "NaN": (b'{"a":NaN}', "no JSON"),
    "endless nesting": (b"[" * 100_000, "no JSON"),
    "a list": (b"[]", "no JSON object"),
    "null": (b"null", "no JSON object"),
    "too large": (b" " * (4 << 20) + b"{}", "over the limit"),
    "neither": (b"{}", "neither"),
    "both": (raw({**MANIFEST, "manifests": []}), "at once"),
    "both, half": (raw({"manifests": [], "config": {}}), "at once"),
    "both, nulls": (raw({"manifests": None, "layers": None}), "at once"),
    "called an index": (raw({**MANIFEST, "mediaType": INDEX_OCI}), "is called"),
    "index called a manifest": (raw({"mediaType": MANIFEST_OCI, "manifests": []}), "is called"),
    "mediaType a number": (raw({**MANIFEST, "mediaType": 5}), "mediaType is 5"),
    "config missing": (raw({"layers": []}), "config is None"),
    "config a list": (raw({**MANIFEST, "config": []}), "config is"),
    "config huge": (raw({**MANIFEST, "config": entry("c", CONFIG_OCI, 9 << 20)}), "over the limit"),
    "layers missing": (raw({"config": MANIFEST["config"]}), "layers is None"),
    "layers an object": (raw({**MANIFEST, "layers": {}}), "layers is"),
    "layer a string": (raw({**MANIFEST, "layers": ["x"]}), "layers is"),
    "too many layers": (raw({**MANIFEST, "layers": [entry("a")] * 4097}), "over the limit"),
    "size a string": (raw({**MANIFEST, "layers": [entry("a", size="7")]}), r"layers\[0\].size"),
    "size a bool": (raw({**MANIFEST, "layers": [entry("a", size=True)]}), r"layers\[0\].size"),
    "size a fraction": (raw({**MANIFEST, "layers": [entry("a", size=1.5)]}), r"layers\[0\].size"),
    "size negative": (raw({**MANIFEST, "layers": [entry("a", size=-1)]}), r"layers\[0\].size"),
    "size endless": (raw({**MANIFEST, "layers": [entry("a", size=1 << 80)]}), r"layers\[0\].size"),
    "digest a path": (raw({**MANIFEST, "layers": [entry("a", digest="../x")]}), r"\[0\].digest"),
    "digest null": (raw({**MANIFEST, "layers": [entry("a", digest=None)]}), r"\[0\].digest"),
    "layer type a list": (raw({**MANIFEST, "layers": [entry("a", mediaType=[])]}), "mediaType"),
    "platform a string": (index(entry("a", MANIFEST_OCI, platform="linux")), "platform is"),
    "os a number": (index(entry("a", MANIFEST_OCI, platform={"os": 1})), "platform.os is 1"),
    "entry type a number": (index(entry("a", mediaType=1)), r"manifests\[0\].mediaType"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_document_is_named(data, message):
    with pytest.raises(Corrupt, match=message):
        parse_manifest(data)


def test_the_transport_and_the_document_must_agree():
    with pytest.raises(Corrupt, match="is called"):
        parse_manifest(index(), MANIFEST_OCI)
    with pytest.raises(Corrupt, match="is called"):
        parse_manifest(raw(MANIFEST), INDEX_OCI)


def test_what_is_no_container_image():
    chart = entry("chart", "application/vnd.cncf.helm.config.v1+json")
    with pytest.raises(InvalidArgument, match="no container image"):
        parse_manifest(raw({**MANIFEST, "config": chart}))
    with pytest.raises(InvalidArgument, match="schema 1"):
        parse_manifest(raw({"schemaVersion": 1, "fsLayers": []}))


# -- indexes --------------------------------------------------------------------------------------


def chosen(document: bytes, platform: str) -> str:
    found = parse_manifest(document)
    assert isinstance(found, Index)
    return select(found, parse_platform(platform), "debian:12").digest


def test_the_first_match_is_taken():
    document = index(
        offer("x", "linux/arm64"), offer("a", "linux/amd64"), offer("b", "linux/amd64")
    )
    assert chosen(document, "linux/amd64") == digest("a")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("linux/arm/v7", "v7"),
        ("linux/arm", "v7"),
        ("linux/arm/v6", "v6"),
        ("linux/arm/v8", "v7"),
        ("linux/arm64", "64"),
        ("linux/arm64/v8", "64"),
        ("linux/aarch64", "64"),
    ],
)
def test_the_best_variant_is_taken_wherever_it_stands(wanted, found):
    document = index(
        offer("v5", "linux/arm/v5"),
        offer("v6", "linux/arm/v6"),
        offer("v7", "linux/arm/v7"),
        offer("64", "linux/arm64/v8"),
    )
    assert chosen(document, wanted) == digest(found)


def test_an_older_variant_serves():
    assert chosen(index(offer("v5", "linux/arm/v5")), "linux/arm/v7") == digest("v5")
    with pytest.raises(NoMatchingPlatform):
        chosen(index(offer("v7", "linux/arm/v7")), "linux/arm/v6")


def test_unknown_kinds_and_attestations_are_passed_over():
    document = index(
        offer("artefact", "linux/amd64", "application/vnd.example.thing"),
        offer("attestation", "unknown/unknown"),
        offer("image", "linux/amd64"),
    )
    assert chosen(document, "linux/amd64") == digest("image")


def test_no_match_says_what_there_is():
    document = index(
        offer("a", "linux/amd64"), offer("b", "windows/amd64"), offer("c", "unknown/unknown")
    )
    message = "no matching manifest for linux/arm64 in the manifest list entries"
    with pytest.raises(NoMatchingPlatform, match=f"^{message}$") as caught:
        chosen(document, "linux/arm64")
    assert caught.value.hint == "debian:12 offers linux/amd64, windows/amd64"
    assert "no platform at all" in no_match(Platform("linux", "amd64"), [], "x").hint


def test_an_entry_without_a_platform_comes_last():
    document = index(entry("nested", INDEX_OCI), offer("a", "linux/amd64"))
    assert chosen(document, "linux/amd64") == digest("a")
    assert chosen(document, "linux/arm64") == digest("nested")


# -- configs --------------------------------------------------------------------------------------

CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-01-01T00:00:00Z",
    "rootfs": {"type": "layers", "diff_ids": [digest("a")]},
    "config": {
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ["true"],
        "Env": ["A=b"],
        "User": "nobody",
        "WorkingDir": "/srv",
        "StopSignal": "SIGINT",
        "Labels": {"a": "b"},
        "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["NONE"]},
    },
}


def test_a_config():
    found = parse_image_config(raw({**CONFIG, "x-own": [1]}))
    assert (found.os, found.architecture, found.variant) == ("linux", "amd64", "")
    assert found.diff_ids == (digest("a"),)
    assert (found.entrypoint, found.cmd, found.env) == (("/bin/sh", "-c"), ("true",), ("A=b",))
    assert (found.user, found.working_dir, found.stop_signal) == ("nobody", "/srv", "SIGINT")
    assert found.labels == {"a": "b"}
    assert (found.volumes, found.exposed_ports) == (("/data",), ("80/tcp",))
    assert found.raw["x-own"] == [1]
    assert found.raw["config"]["Healthcheck"] == {"Test": ["NONE"]}


def test_nulls_are_what_is_left_out():
    document = {**CONFIG, "config": dict.fromkeys(CONFIG["config"])}
    empty = {"os": "linux", "architecture": "amd64"}
    for body in (document, empty, {**empty, "config": None, "rootfs": None}):
        found = parse_image_config(raw(body))
        assert (found.entrypoint, found.cmd, found.env, found.volumes) == ((), (), (), ())
        assert (found.user, found.labels) == ("", {})


TEXTS = ("User", "WorkingDir", "StopSignal", "os", "architecture", "variant", "created")
FIELDS = [
    *(("config", key) for key in CONFIG["config"] if key != "Healthcheck"),
    ("rootfs", "diff_ids"),
    ("rootfs", "type"),
    *((key,) for key in ("os", "architecture", "variant", "created", "config", "rootfs")),
]


VALUES = [5, 1.5, True, [1], {"a": 1}, [[]], "text", [None]]
OPEN_OBJECTS = ("Volumes", "ExposedPorts", "config", "rootfs")  # any key may stand in them
WRONG_FIELDS = [
    (field, value)
    for field in FIELDS
    for value in VALUES
    if not (value == {"a": 1} and field[-1] in OPEN_OBJECTS)
    and not (value == "text" and field[-1] in TEXTS)
]


@pytest.mark.parametrize(("field", "value"), WRONG_FIELDS, ids=str)
def test_a_field_of_another_type_is_named(field, value):
    document = json.loads(raw(CONFIG))
    holder = document if len(field) == 1 else document[field[0]]
    holder[field[-1]] = value
    with pytest.raises(Corrupt, match=field[-1]):
        parse_image_config(raw(document))


KEYS = st.sampled_from(
    ["config", "layers", "manifests", "mediaType", "digest", "size", "platform", "os", "rootfs",
     "diff_ids", "Env", "Cmd", "Labels", "Volumes", "schemaVersion", "type", "x"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_whatever_comes_there_is_one_kind_of_error(document):
    for parse in (parse_manifest, parse_image_config):
        try:
            parse(raw(document))
        except PlugrunError as error:
            assert len(error.message) < 1000


@given(st.binary(max_size=60))
def test_bytes_of_any_kind(data):
    for parse in (parse_manifest, parse_image_config):
        with pytest.raises(Corrupt):
            parse(b"\0" + data)


# -- ChainIDs -------------------------------------------------------------------------------------


def test_chain_ids_are_those_of_the_specification():
    a, b, c = (digest(name) for name in "abc")
    ab = digest(f"{a} {b}")
    assert chain_ids(()) == ()
    assert chain_ids((a,)) == (a,)
    assert chain_ids((a, b, c)) == (a, ab, digest(f"{ab} {c}"))


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_chains_agree_as_far_as_their_layers_do(left, right):
    one = chain_ids(tuple(digest(name) for name in left))
    two = chain_ids(tuple(digest(name) for name in right))
    for n in range(min(len(left), len(right))):
        assert (one[n] == two[n]) == (left[: n + 1] == right[: n + 1])
