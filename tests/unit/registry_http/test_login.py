"""Docker's configuration, and the servers it is for."""

from __future__ import annotations

import base64
import json
import os
import stat
from urllib.parse import parse_qs

import pytest
from plugrun.api import ConfigError, InvalidArgument, TransportError, Unauthorized, host_platform
from plugrun_registry_http.dockerconfig import HUB_KEY, Credentials, DockerConfig
from plugrun_registry_http.plugin import plugrun_open_registry

from tests.unit.registry_http.conftest import Answer

ALICE = Credentials("alice", "secret")


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def write(folder, body) -> DockerConfig:
    text = body if isinstance(body, str) else json.dumps(body)
    (folder / "config.json").write_text(text)
    return DockerConfig(str(folder))


@pytest.mark.parametrize(
    ("auths", "server", "expected"),
    [
        ({"r.example:5000": auth("a:b")}, "r.example:5000", Credentials("a", "b")),
        ({"r.example:5000": auth("a:b")}, "r.example", None),
        ({"https://r.example/v2/": auth("a:b")}, "r.example", Credentials("a", "b")),
        ({HUB_KEY: auth("a:b:c")}, HUB_KEY, Credentials("a", "b:c")),
        ({"r": {"username": "u", "password": "p"}}, "r", Credentials("u", "p")),
        ({"r": {**auth("a:"), "identitytoken": "t"}}, "r", Credentials("a", "", "t")),
        ({"r": {"auth": "no base64!"}}, "r", None),
        ({"r": {}}, "r", None),
        ({"r": "text"}, "r", None),
        ({}, "r", None),
    ],
)
def test_what_is_kept_is_found(tmp_path, auths, server, expected):
    assert write(tmp_path, {"auths": auths}).find(server) == expected


def test_no_file_is_an_empty_one(tmp_path):
    config = DockerConfig(f"{tmp_path}/not/there")
    assert config.find("r") is None
    assert not config.erase("r")
    assert not os.path.exists(f"{tmp_path}/not")
    assert config.store("r", ALICE) == ""
    assert config.find("r") == ALICE
    assert stat.S_IMODE(os.stat(config.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{tmp_path}/not").st_mode) == 0o700


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"auths": [1]}', "[" * 100_000, '{"credsStore": "../evil"}', "\xff"]
)
def test_a_file_that_is_none_is_named(tmp_path, body):
    with pytest.raises(ConfigError, match=r"config\.json"):
        write(tmp_path, body).find("r")


def test_what_else_is_in_it_stays(tmp_path):
    more = {"credHelpers": {"other": "x"}, "détail": {"deep": [1, None]}, "HttpHeaders": {}}
    config = write(tmp_path, {**more, "auths": {"old": auth("o:o")}})
    config.store("r", ALICE)
    assert config.erase("old")
    assert not config.erase("old")
    body = json.loads((tmp_path / "config.json").read_text())
    assert body == {**more, "auths": {"r": auth("alice:secret")}}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("{}")
    (tmp_path / "config.json").symlink_to("real")
    DockerConfig(str(tmp_path)).store("r", ALICE)
    assert (tmp_path / "config.json").is_symlink()
    assert json.loads((tmp_path / "real").read_text())["auths"] == {"r": auth("alice:secret")}


def test_a_helper_that_is_missing_is_named(tmp_path):
    config = write(tmp_path, {"credsStore": "nobody-has-this"})
    with pytest.raises(TransportError, match="docker-credential-nobody-has-this"):
        config.find("r")


def test_a_helper_that_talks_nonsense_is_named(tmp_path, monkeypatch):
    program = tmp_path / "docker-credential-odd"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho nonsense\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ConfigError, match="docker-credential-odd"):
        write(tmp_path, {"credsStore": "odd"}).find("r")


# -- servers ----------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return DockerConfig(str(tmp_path))


def basic(password="secret"):
    known = Credentials("alice", password).basic
    wants = Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
    return lambda asked: Answer() if asked.headers.get("authorization") == known else wants


def test_login_asks_before_it_keeps(server, config):
    server.on("/v2/", basic())
    registry = plugrun_open_registry(server.host, {})
    with pytest.raises(Unauthorized, match="failed with status: 401"):
        registry.login("alice", "wrong")
    assert config.find(server.host) is None
    assert registry.login("alice", "secret").file == config.path
    assert config.find(server.host) == ALICE
    assert registry.username() == "alice"
    registry.login("", "")
    assert registry.logout()
    assert not registry.logout()


@pytest.mark.parametrize("text", ["{}", "http://{}/v2/", "{}/some/path"])
def test_a_server_is_its_host(server, config, text):
    server.on("/v2/", basic())
    registry = plugrun_open_registry(text.format(server.host), {})
    registry.login("alice", "secret")
    assert registry.server == server.host


@pytest.mark.parametrize("text", ["", "docker.io", HUB_KEY])
def test_the_default_server_has_a_key_of_its_own(config, text):
    assert plugrun_open_registry(text, {}).server == HUB_KEY


def test_a_401_loop_ends(server, config):
    server.on("/v2/", Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'}))
    with pytest.raises(Unauthorized):
        plugrun_open_registry(server.host, {}).login("alice", "secret")
    assert len(server.asked) == 2


def test_a_token_server_sees_the_name_and_password(server, other_server, config):
    realm = f'Bearer realm="http://{other_server.host}/token",service="here"'

    def v2(asked):
        if asked.headers.get("authorization") == "Bearer granted":
            return Answer()
        return Answer(401, headers={"WWW-Authenticate": realm})

    server.on("/v2/", v2)
    other_server.on("/token", Answer(body=b'{"token": "granted"}'))
    plugrun_open_registry(server.host, {}).login("alice", "secret")
    [asked] = other_server.asked
    assert asked.headers["authorization"] == ALICE.basic
    assert ALICE.basic not in [a.headers.get("authorization") for a in server.asked]


def test_an_identity_token_is_exchanged(server, other_server, config, sample, open_transport):
    config.store(server.host, Credentials("", "", "lasting"))
    realm = f'Bearer realm="http://{other_server.host}/token",service="here"'

    def manifest(asked):
        if asked.headers.get("authorization") == "Bearer granted":
            return sample.answer()
        return Answer(401, headers={"WWW-Authenticate": realm})

    server.on(sample.manifest_path, manifest)
    other_server.on("/token", Answer(body=b'{"access_token": "granted"}'))
    open_transport(f"{server.host}/me/app:1").resolve(host_platform())
    [asked] = other_server.asked
    assert asked.method == "POST"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["lasting"],
        "client_id": ["plugrun"],
        "service": ["here"],
        "scope": ["repository:me/app:pull"],
    }


def found(*names):
    keys = {"description": "de\x1bscribed", "star_count": 3, "is_official": True}
    return json.dumps({"results": [{"name": name, **keys} for name in names]}).encode()


def test_a_search_is_bounded_and_printable(server):
    server.on("/v1/search", Answer(body=found("one", "two", "three")))
    one, two = plugrun_open_registry(server.host, {}).search("a b", 2)
    assert (one.name, one.description, one.stars, one.official) == ("one", "de scribed", 3, True)
    assert two.name == "two"
    assert server.asked[0].path == "/v1/search?q=a+b&n=2"


def test_a_server_without_search_says_so(server):
    with pytest.raises(InvalidArgument, match=f"{server.host} does not offer a search"):
        plugrun_open_registry(server.host, {}).search("x", 5)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"results": [1]}', b'{"results": [{}]}'])
def test_a_search_that_is_answered_otherwise(server, body):
    server.on("/v1/search", Answer(body=body))
    with pytest.raises(Exception, match="did not answer a search"):
        plugrun_open_registry(server.host, {}).search("x", 5)
