"""Passwords and signatures in addresses: in no error, whoever named the address."""

from __future__ import annotations

import gc

import pytest
from plugrun.api import ConfigError, InvalidArgument, PlugrunError, host_platform, parse_reference
from plugrun_registry_http import referrers, tags
from plugrun_registry_http.places import Trust, places
from plugrun_registry_http.plugin import plugrun_open_registry

from tests.unit.registry_http.conftest import MANIFEST, Answer
from tests.unit.registry_http.test_referrers import PATH, SUBJECT

# urllib3 leaves the socket of an answer that it could not read to the collector of garbage.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

LOST = "s3cr3t"
PLACES = (
    f"http://me:{LOST}@[::",
    f"http://me:{LOST}@x:port/",
    f"http://me:{LOST}@:80/x",
    f"http://me:{LOST}@127.0.0.1:99999/",
    f"http://me:/{LOST}@127.0.0.1:1/",
    f"http://me:{LOST}@x..y/",
    f"http://me:{LOST}@127.0.0.1:1/",
    f"https://me:{LOST}@127.0.0.1:1/",
    f"ftp://me:{LOST}@127.0.0.1:1/",
    f"http://127.0.0.1:1/?{LOST}",
    f"?{LOST}",
)
KIND = {"Content-Type": MANIFEST}
HOW = {
    "redirect": lambda to: Answer(307, headers={"Location": to}),
    "upload": lambda to: Answer(202, headers={"Location": to}),
    "next": lambda to: Answer(
        200,
        b'{"tags":["x"],"manifests":[]}',
        {**KIND, "Link": f'<{to}>; rel="next"'},
    ),
    "realm": lambda to: Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{to}"'}),
}


@pytest.fixture(autouse=True)
def given_up():
    """Collect what a test left here, so that no later test is told of it."""
    yield
    gc.collect()


def told(ask):
    try:
        ask()
    except PlugrunError as error:
        return f"{error} {error.hint}"
    return ""


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("place", PLACES)
def test_one_that_a_server_names(server, sample, open_transport, monkeypatch, how, place):
    for module in (tags, referrers):
        monkeypatch.setattr(module, "_MOST_PAGES", 3)
    paths = (sample.manifest_path, sample.blob_path, "/v2/me/app/tags/list", PATH)
    for path in (*paths, "/v2/me/app/blobs/uploads/"):
        server.on(path, HOW[how](place))
    transport = open_transport(f"{server.host}/me/app:1", retries=0, timeout=2)
    words = [
        told(lambda: transport.resolve(host_platform())),
        told(lambda: list(transport.fetch(sample.descriptor))),
        told(transport.tags),
        told(lambda: transport.referrers(SUBJECT)),
        told(lambda: transport.put(sample.descriptor, lambda at: iter((sample.blob[at:],)))),
    ]
    assert any(words)
    assert LOST not in "\n".join(words)


@pytest.mark.parametrize("text", [f"https://me:{LOST}@127.0.0.1:1", f"me:/{LOST}@127.0.0.1:1/v2/"])
def test_one_in_a_registrys_name(text):
    with pytest.raises(InvalidArgument) as caught:
        plugrun_open_registry(text, {})
    assert LOST not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


def test_one_in_a_mirrors():
    with pytest.raises(ConfigError) as caught:
        places("docker.io", {"docker.io": [f"https://me:{LOST}@mirror.lan"]}, Trust(()))
    assert LOST not in str(caught.value)
    assert "mirror.lan" in str(caught.value)


@pytest.mark.parametrize(
    "text", [f"https://me:{LOST}@reg.lan/a", f"me:{LOST}@reg.lan/a", f"https://me:{LOST}@reg.lan"]
)
def test_one_in_a_reference(text):
    with pytest.raises(InvalidArgument) as caught:
        parse_reference(text)
    assert LOST not in str(caught.value)
    assert "reg.lan" in str(caught.value)


@pytest.mark.parametrize("proxy", [f"http://me:{LOST}@[::", f"me:{LOST}@127.0.0.1:port"])
def test_one_in_a_proxys_address(open_transport, monkeypatch, proxy):
    transport = open_transport("nonesuch.invalid/a", retries=0)
    monkeypatch.setenv("https_proxy", proxy)
    words = told(lambda: transport.resolve(host_platform()))
    assert "nonesuch.invalid" in words
    assert "HTTPS_PROXY" in words
    assert LOST not in words
