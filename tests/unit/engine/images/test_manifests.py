"""Documents from outside: what is refused, what is passed over, what is chosen."""

from __future__ import annotations

import json

import pytest
from plugrun.engine.images.manifests import (
    LARGEST_MANIFEST,
    MOST_LAYERS,
    Index,
    chain_ids,
    parse_image_config,
    parse_manifest,
    select,
)
from plugrun.errors import Corrupt, InvalidArgument, NoMatchingPlatform
from plugrun.model.descriptor import Platform, parse_platform
from plugrun.model.image import (
    CONFIG_DOCKER,
    CONFIG_OCI,
    INDEX_DOCKER,
    INDEX_OCI,
    LAYER_GZIP,
    MANIFEST_DOCKER,
    MANIFEST_OCI,
)

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def descriptor(kind: str = LAYER_GZIP, digest: str = DIGEST, size: object = 5, **more) -> dict:
    return {"mediaType": kind, "digest": digest, "size": size, **more}


def manifest(**changes) -> bytes:
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_OCI,
        "config": descriptor(CONFIG_OCI),
        "layers": [descriptor()],
        **changes,
    }
    return json.dumps({key: value for key, value in body.items() if value is not ...}).encode()


def index(*entries: dict, **changes) -> bytes:
    body = {"schemaVersion": 2, "mediaType": INDEX_OCI, "manifests": list(entries), **changes}
    return json.dumps(body).encode()


def entry(platform: str | None, number: int = 0, kind: str = MANIFEST_OCI) -> dict:
    found = descriptor(kind, f"sha256:{number:064x}")
    if platform is None:
        return found
    system, architecture, *variant = platform.split("/")
    words = {
        "os": system,
        "architecture": architecture,
        **({"variant": variant[0]} if variant else {}),
    }
    return {**found, "platform": words}


# -- manifests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "config"),
    [(MANIFEST_OCI, CONFIG_OCI), (MANIFEST_DOCKER, CONFIG_DOCKER), (..., CONFIG_OCI)],
)
def test_a_manifest(kind, config):
    found = parse_manifest(manifest(mediaType=kind, config=descriptor(config), unknown={"x": 1}))
    assert found.config.digest == DIGEST
    assert [layer.size for layer in found.layers] == [5]


@pytest.mark.parametrize(
    ("raw", "said", "words"),
    [
        (manifest(manifests=[]), "", "manifest and an index at once"),
        (index(config=descriptor()), "", "manifest and an index at once"),
        (index(layers=[]), "", "manifest and an index at once"),
        (manifest(mediaType=INDEX_OCI), "", "is called .*index.* and is none"),
        (manifest(), INDEX_DOCKER, "is called .*list.* and is none"),
        (index(), MANIFEST_OCI, "is called .*manifest.* and is none"),
        (index(mediaType=MANIFEST_DOCKER), "", "is called .*manifest.* and is none"),
        (b"{}", "", "neither a manifest nor an index"),
        (b"[]", "", "no JSON object"),
        (b"not json", "", "no JSON"),
        (b'{"a": ' * 100_000, "", "no JSON"),
        (b'{"schemaVersion": ' + b"9" * 5000 + b"}", "", "no JSON"),
        (b" " * (LARGEST_MANIFEST + 1), "", "over the limit"),
        (manifest(config=...), "", "config is None, not an object"),
        (manifest(config=[]), "", r"config is \[\], not an object"),
        (manifest(layers=...), "", "layers is None, not a list"),
        (manifest(layers={}), "", "layers is {}, not a list"),
        (manifest(layers=[1]), "", r"layers is \[1\], not a list"),
        (manifest(layers=[descriptor()] * (MOST_LAYERS + 1)), "", "layers has 4097 entries"),
        (manifest(layers=[descriptor(size="5")]), "", r"layers\[0\].size is '5'"),
        (manifest(layers=[descriptor(size=True)]), "", r"layers\[0\].size is True"),
        (manifest(layers=[descriptor(size=-1)]), "", r"layers\[0\].size is -1"),
        (manifest(layers=[descriptor(size=1.5)]), "", r"layers\[0\].size is 1.5"),
        (manifest(layers=[descriptor(size=1 << 62)]), "", r"layers\[0\].size"),
        (manifest(layers=[descriptor(digest="sha256:../../etc")]), "", r"layers\[0\].digest"),
        (manifest(layers=[descriptor(digest=7)]), "", r"layers\[0\].digest"),
        (manifest(layers=[descriptor(digest="sha512:" + "a" * 128)]), "", r"layers\[0\].digest"),
        (manifest(layers=[descriptor(kind=7)]), "", r"layers\[0\].mediaType is 7, not a string"),
        (manifest(config=descriptor(CONFIG_OCI, size=9 << 20)), "", "config has 9437184 bytes"),
        (manifest(mediaType=[]), "", r"mediaType is \[\], not a string"),
        (index(3), "", r"manifests is \[3\], not a list"),
        (index({**entry(None), "platform": "linux"}), "", r"manifests\[0\].platform is 'linux'"),
        (index({**entry(None), "platform": {"os": 1}}), "", r"manifests\[0\].platform.os is 1"),
        (index({**entry(None), "size": None}), "", r"manifests\[0\].size is None"),
    ],
)  # fmt: skip
def test_wrong_documents_are_corrupt_and_say_where(raw, said, words):
    with pytest.raises(Corrupt, match=words) as caught:
        parse_manifest(raw, said)
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"schemaVersion": 1, "fsLayers": []}', "schema 1"),
        (b'{"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"}', "schema 1"),
        (
            manifest(config=descriptor("application/vnd.cncf.helm.config.v1+json")),
            "no container image",
        ),
        (manifest(config=descriptor("application/vnd.oci.empty.v1+json")), "no container image"),
    ],
)
def test_what_is_no_container_image(raw, words):
    with pytest.raises(InvalidArgument, match=words):
        parse_manifest(raw)


# -- indexes ----------------------------------------------------------------------------------


def test_unknown_media_types_are_passed_over():
    found = parse_manifest(
        index(
            entry("linux/amd64", 1, "application/vnd.example.signature+json"),
            {"mediaType": "application/x-broken", "digest": 5},
            {},
            entry("linux/amd64", 2),
        )
    )
    assert isinstance(found, Index)
    assert [d.digest[-1] for d, _ in found.manifests] == ["2"]


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/amd64", ["windows/amd64", "linux/amd64", "linux/amd64"], 1),
        ("linux/arm64", ["linux/arm64/v8"], 0),
        ("linux/arm64/v8", ["linux/arm64"], 0),
        ("linux/aarch64", ["linux/arm64"], 0),
        ("linux/amd64", ["linux/x86_64"], 0),
        ("linux/arm/v7", ["linux/arm/v6", "linux/arm/v7", "linux/arm/v5"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1),
        ("linux/arm", ["linux/arm/v6", "linux/arm"], 1),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v6"], 1),
        ("linux/amd64", ["unknown/unknown", None, "linux/amd64"], 2),
        ("linux/amd64", ["unknown/unknown", None], 1),
    ],
)
def test_the_best_platform_is_chosen(wanted, offered, chosen):
    found = parse_manifest(index(*(entry(p, n) for n, p in enumerate(offered))))
    assert isinstance(found, Index)
    assert int(select(found, parse_platform(wanted), "x").digest[7:], 16) == chosen


@pytest.mark.parametrize(
    ("wanted", "offered", "hint"),
    [
        (
            "linux/s390x",
            ["linux/arm64", "unknown/unknown", "linux/amd64"],
            "linux/amd64, linux/arm64",
        ),
        ("linux/arm/v6", ["linux/arm/v7"], "linux/arm/v7"),
        ("linux/amd64", ["unknown/unknown"], "no platform at all"),
        ("linux/amd64", [], "no platform at all"),
    ],
)
def test_no_platform_fits(wanted, offered, hint):
    found = parse_manifest(index(*(entry(p, n) for n, p in enumerate(offered))))
    assert isinstance(found, Index)
    with pytest.raises(NoMatchingPlatform, match=f"no matching manifest for {wanted}") as caught:
        select(found, parse_platform(wanted), "x")
    assert caught.value.hint.endswith(hint)


# -- configs ----------------------------------------------------------------------------------


def config(settings: object = None, **changes) -> bytes:
    body = {
        "os": "linux", "architecture": "amd64", "config": settings or {},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]}, **changes,
    }  # fmt: skip
    return json.dumps(body).encode()


def test_a_config_keeps_what_it_does_not_know():
    found = parse_image_config(
        config(
            {
                "Entrypoint": ["e"], "Cmd": ["c"], "Env": ["A=1"], "User": "u", "WorkingDir": "/w",
                "StopSignal": "SIGINT", "Labels": {"k": "v", "n": None}, "Volumes": {"/v": {}},
                "ExposedPorts": {"80/tcp": {}}, "Shell": ["/bin/sh"], "Healthcheck": {"Test": []},
            },
            history=[{"created_by": "x"}], future={"key": [1]}, variant="v8", created="2020",
        )
    )  # fmt: skip
    assert (found.entrypoint, found.cmd, found.env) == (("e",), ("c",), ("A=1",))
    assert (found.user, found.working_dir, found.stop_signal) == ("u", "/w", "SIGINT")
    assert dict(found.labels) == {"k": "v", "n": ""}
    assert (found.volumes, found.exposed_ports) == (("/v",), ("80/tcp",))
    assert found.raw["future"] == {"key": [1]}
    assert found.raw["config"]["Healthcheck"] == {"Test": []}
    assert found.diff_ids == (DIGEST,)


@pytest.mark.parametrize("raw", [b"{}", b'{"config": null, "rootfs": null}', config({"Env": None})])
def test_what_is_left_out_of_a_config_is_empty(raw):
    found = parse_image_config(raw)
    assert (found.os, found.env, found.cmd, found.user) == ("linux", (), (), "")
    assert dict(found.labels) == {}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (config({"Env": "A=1"}), "config.Env is 'A=1', not a list of strings"),
        (config({"Cmd": [1]}), r"config.Cmd is \[1\], not a list of strings"),
        (config({"Entrypoint": {}}), "config.Entrypoint is {}"),
        (config({"User": 0}), "config.User is 0, not a string"),
        (config({"Labels": []}), r"config.Labels is \[\], not an object"),
        (config({"Labels": {"k": 1}}), "config.Labels.k is 1, not a string"),
        (config({"Volumes": ["/v"]}), "config.Volumes is"),
        (config({"WorkingDir": ["/"]}), "config.WorkingDir is"),
        (config([1]), r"config is \[1\], not an object"),
        (config(os=1), "os is 1, not a string"),
        (config(rootfs=[1]), r"rootfs is \[1\], not an object"),
        (config(rootfs={"type": "magic"}), "rootfs.type is 'magic', not layers"),
        (config(rootfs={"diff_ids": "x"}), "rootfs.diff_ids is no list"),
        (config(rootfs={"diff_ids": {DIGEST: 1}}), "rootfs.diff_ids is no list"),
        (config(rootfs={"diff_ids": ["x"]}), "rootfs.diff_ids: 'x' is not a digest"),
        (config(rootfs={"diff_ids": [DIGEST] * (MOST_LAYERS + 1)}), "rootfs.diff_ids is no list"),
        (b"null", "no JSON object"),
    ],
)
def test_wrong_configs_are_corrupt_and_name_the_field(raw, words):
    with pytest.raises(Corrupt, match=words):
        parse_image_config(raw)


def test_chain_ids():
    first, second = chain_ids((DIGEST, OTHER))
    assert first == DIGEST
    # printf 'sha256:aaa… sha256:bbb…' | sha256sum
    from hashlib import sha256

    assert second == f"sha256:{sha256(f'{DIGEST} {OTHER}'.encode()).hexdigest()}"
    assert chain_ids(()) == ()
    assert chain_ids((DIGEST, OTHER, OTHER))[:2] == (first, second)


def test_platforms_are_compared_in_one_spelling():
    found = parse_manifest(index(entry("linux/arm64/v8")))
    assert isinstance(found, Index)
    assert found.manifests[0][1] == Platform("linux", "arm64")
