"""Where an image is looked for, and what may be spoken without TLS."""

from __future__ import annotations

import pytest
from plugrun.api import ConfigError, Unreachable
from plugrun.web import authorities
from plugrun_registry_http.client import retry_after, same_origin
from plugrun_registry_http.faults import Passing
from plugrun_registry_http.patience import Patience
from plugrun_registry_http.places import Place, Trust, is_loopback, places
from plugrun_registry_http.plugin import plugrun_open_transport, plugrun_options


def origins(host, insecure=(), mirrors=None):
    return [place.origin for place in places(host, mirrors or {}, Trust(insecure))]


def test_docker_hub_answers_elsewhere():
    assert origins("docker.io") == ["https://registry-1.docker.io"]


def test_others_are_spoken_to_over_https_alone():
    assert origins("quay.io:8443") == ["https://quay.io:8443"]


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "127.8.9.10", "localhost", "[::1]:5000"])
def test_loopback_is_plain_first(host):
    assert origins(host) == [f"http://{host}", f"https://{host}"]


@pytest.mark.parametrize("entry", ["reg.lan", "reg.lan:5000", "REG.lan/"])
def test_insecure_is_https_first(entry):
    assert origins("reg.lan:5000", [entry]) == ["https://reg.lan:5000", "http://reg.lan:5000"]


def test_insecure_with_a_port_is_for_that_port():
    assert origins("reg.lan", ["reg.lan:5000"]) == ["https://reg.lan"]


def test_mirrors_come_first_and_may_say_their_scheme():
    mirrors = {"docker.io": ["http://cache.lan:3128/hub/", "mirror.example"]}
    found = places("docker.io", mirrors, Trust(()))
    assert [place.origin for place in found] == [
        "http://cache.lan:3128",
        "https://mirror.example",
        "https://registry-1.docker.io",
    ]
    assert [place.repository("library/x") for place in found] == [
        "hub/library/x",
        "library/x",
        "library/x",
    ]
    assert [place.mirror for place in found] == [True, True, False]


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "https://me:secret@host", "https://h?x=1", "/path"]
)
def test_what_is_no_mirror_is_an_error_of_the_profile(text):
    with pytest.raises(ConfigError):
        places("docker.io", {"docker.io": [text]}, Trust(()))


def test_names_that_only_look_like_loopback_are_not():
    hosts = ("127.0.0.1.evil.example", "localhost.evil.example", "1270.0.0.1", "example.com")
    assert not any(map(is_loopback, hosts))


def test_certificates_are_checked_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/some/bundle.pem")
    trust = Trust(["reg.lan"])
    assert trust.verify("https://quay.io/v2/") == "/some/bundle.pem"
    assert trust.verify("https://reg.lan:5000/v2/") is False
    assert trust.verify("https://127.0.0.1/v2/") is False


def test_without_a_bundle_of_the_machine_requests_own_is_used(monkeypatch):
    for name in authorities._BUNDLE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(authorities, "_BUNDLES", ())
    assert Trust(()).verify("https://quay.io/v2/") is True


def test_a_secure_place_cannot_send_us_to_plain_http():
    secure, plain = Place("r", "https://r"), Place("r", "http://r")
    trust = Trust(["cdn.lan"])
    assert trust.allows("https://cdn.example/x", secure)
    assert not trust.allows("http://cdn.example/x", secure)
    assert not trust.allows("http://127.0.0.1/x", secure)
    assert trust.allows("http://cdn.lan/x", secure)
    assert trust.allows("http://cdn.example/x", plain)
    assert not trust.allows("file:///etc/passwd", plain)


def test_origins_are_scheme_host_and_port():
    assert same_origin("https://a/x", "https://A:443/y")
    assert not same_origin("https://a/x", "http://a/x")
    assert not same_origin("https://a/x", "https://a:8443/x")
    assert not same_origin("https://a/x", "https://b/x")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("3", 3), ("-3", 0), ("soon", 0), ("9" * 50, 999999999),
     ("Thu, 01 Jan 1970 00:02:00 GMT", 20), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after(text, seconds):
    assert retry_after(text, lambda: 100.0) == seconds


def test_back_off_doubles_up_to_a_limit_with_jitter():
    waits = []
    patience = Patience(8, lambda s: waits.append(s) or False, jitter=lambda: 1.0)
    for failures in range(1, 9):
        patience.wait(failures, Passing("x"))
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    with pytest.raises(Passing):
        patience.wait(9, Passing("x"))
    Patience(1, lambda s: waits.append(s) or False, jitter=lambda: 0.0).wait(1, Unreachable("x"))
    assert waits[-1] == 0.5


@pytest.mark.parametrize("address", ["host:sh", "oci:folder", "docker-archive:x.tar", "rootfs:/x"])
def test_other_schemes_are_anothers(address):
    assert plugrun_open_transport(address, {}) is None


@pytest.mark.parametrize("address", ["debian", "docker://debian", "localhost:5000/x:1"])
def test_plain_references_are_ours(address):
    transport = plugrun_open_transport(address, {})
    assert transport is not None
    transport.close()


def test_options_are_declared():
    assert [option.name for option in plugrun_options()] == [
        "insecure",
        "mirrors",
        "certificates",
        "timeout",
        "retries",
    ]
