"""Finding an image at servers that are wrong, slow, elsewhere or hostile."""

from __future__ import annotations

import json

import pytest
from plugrun.api import (
    Corrupt,
    DigestMismatch,
    ImageNotFound,
    TransportError,
    Unauthorized,
    Unreachable,
    host_platform,
)


@pytest.fixture
def resolve(server, open_transport):
    def resolve_it(suffix=":1", **options):
        transport = open_transport(f"docker://{server.host}/me/app{suffix}", **options)
        return transport.resolve(host_platform())

    return resolve_it


def as_manifest(sample, answer_type, **headers):
    return sample.answer(headers={"Content-Type": answer_type, **headers})


def test_returns_the_bytes_as_received(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer())
    found = resolve()
    assert (found.raw, found.descriptor) == (sample.raw, sample.manifest)
    assert found.name == f"{server.host}/me/app:1"
    assert found.source == f"http://{server.host}"


def test_accepts_all_four_types_and_no_encoding(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer())
    resolve()
    headers = server.asked[0].headers
    assert headers["accept"].count("application/vnd.") == 4
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("wanted", ["tag", "digest"])
def test_a_wrong_digest_header_is_refused(server, sample, resolve, wanted):
    suffix = ":1" if wanted == "tag" else f"@{sample.manifest.digest}"
    answer = sample.answer(headers={"Docker-Content-Digest": "sha256:" + "0" * 64})
    server.on(sample.manifest_path, answer)
    server.on(f"/v2/me/app/manifests/{sample.manifest.digest}", answer)
    with pytest.raises(DigestMismatch, match="000"):
        resolve(suffix)


def test_another_document_than_the_digest_asked_for_is_refused(server, sample, resolve):
    wanted = "sha256:" + "1" * 64
    server.on(f"/v2/me/app/manifests/{wanted}", sample.answer())
    with pytest.raises(DigestMismatch):
        resolve(f"@{wanted}")


def test_a_digest_of_an_unknown_algorithm_in_the_header_is_not_compared(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer(headers={"Docker-Content-Digest": "sha512:ab"}))
    assert resolve().raw == sample.raw


@pytest.mark.parametrize("endless", [True, False])
def test_an_oversized_manifest_is_refused(server, sample, resolve, endless):
    body = b" " * (1 << 20) if endless else b" " * ((4 << 20) + 1)
    server.on(sample.manifest_path, sample.answer(body=body, endless=endless))
    with pytest.raises(Corrupt, match="4194304"):
        resolve()


def test_a_web_page_is_no_manifest(server, sample, resolve):
    server.on(sample.manifest_path, as_manifest(sample, "text/html"))
    with pytest.raises(Corrupt, match="text/html"):
        resolve()


def test_header_and_document_must_agree(server, sample, resolve):
    index = "application/vnd.oci.image.index.v1+json"
    server.on(sample.manifest_path, as_manifest(sample, index))
    with pytest.raises(Corrupt, match="calls itself"):
        resolve()


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "text/plain"])
def test_a_server_without_types_leaves_it_to_the_document(server, sample, resolve, kind):
    server.on(sample.manifest_path, as_manifest(sample, f"{kind}; charset=utf-8"))
    assert resolve().descriptor == sample.manifest


def test_without_any_type_it_is_refused(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer(body=b"{}", headers={"Content-Type": ""}))
    with pytest.raises(Corrupt):
        resolve()


def test_schema_1_is_refused_by_name(server, sample, resolve):
    old = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    server.on(sample.manifest_path, as_manifest(sample, old))
    with pytest.raises(Corrupt, match="schema 1"):
        resolve()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"mediaType": 1}'])
def test_what_is_no_json_object_is_refused(server, sample, resolve, body):
    server.on(sample.manifest_path, sample.answer(body=body))
    with pytest.raises(Corrupt):
        resolve()


def test_a_missing_image_names_mirror_and_registry(server, other_server, resolve):
    with pytest.raises(ImageNotFound) as caught:
        resolve(mirrors={server.host: [other_server.host]})
    assert server.host in caught.value.message
    assert other_server.host in caught.value.message


def test_the_servers_own_words_are_passed_on_without_control_characters(server, sample, resolve):
    said = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such\x1b[31m tag"}]}
    from_server = sample.answer(status=404, body=json.dumps(said).encode())
    server.on(sample.manifest_path, from_server)
    with pytest.raises(ImageNotFound, match=r"no such \[31m tag"):
        resolve()


def test_a_mirror_is_asked_first_and_alone(server, other_server, sample, resolve):
    other_server.on(sample.manifest_path, sample.answer())
    found = resolve(mirrors={server.host: [other_server.host]})
    assert found.source == f"http://{other_server.host}"
    assert found.name == f"{server.host}/me/app:1"
    assert server.asked == []


def test_a_mirror_may_have_a_prefix(server, other_server, sample, resolve):
    other_server.on("/v2/proxy/me/app/manifests/1", sample.answer())
    found = resolve(mirrors={server.host: [f"http://{other_server.host}/proxy/"]})
    assert found.raw == sample.raw


@pytest.mark.parametrize("status", [404, 401, 403, 503])
def test_a_mirror_that_fails_is_passed_over(server, other_server, sample, resolve, status):
    server.on(sample.manifest_path, sample.answer())
    other_server.on(sample.manifest_path, sample.answer(status=status, body=b""))
    assert resolve(mirrors={server.host: [other_server.host]}).source == f"http://{server.host}"


def test_a_basic_challenge_is_refused_with_a_hint(server, sample, resolve):
    headers = {"WWW-Authenticate": 'Basic realm="private"'}
    server.on(sample.manifest_path, sample.answer(status=401, headers=headers))
    with pytest.raises(Unauthorized) as caught:
        resolve()
    assert "login" in caught.value.hint


def test_denied_is_not_retried(server, sample, resolve, pauses):
    server.on(sample.manifest_path, sample.answer(status=403))
    with pytest.raises(Unauthorized):
        resolve()
    assert len(server.asked) == 1
    assert pauses.waits == []


def test_too_many_requests_waits_as_long_as_asked(server, sample, resolve, pauses):
    busy = sample.answer(status=429, headers={"Retry-After": "77"})
    server.on(sample.manifest_path, busy, sample.answer())
    assert resolve().raw == sample.raw
    assert pauses.waits == [77]


def test_a_wait_beyond_patience_is_an_error_at_once(server, sample, resolve, pauses):
    server.on(sample.manifest_path, sample.answer(status=429, headers={"Retry-After": "86400"}))
    with pytest.raises(Unreachable) as caught:
        resolve()
    assert pauses.waits == []
    assert "mirror" in caught.value.hint


def test_a_server_in_trouble_is_asked_a_bounded_number_of_times(server, sample, resolve, pauses):
    server.on(sample.manifest_path, sample.answer(status=503))
    with pytest.raises(Unreachable, match="503"):
        resolve(retries=3)
    assert len(server.asked) == 4
    assert len(pauses.waits) == 3
    assert pauses.waits == sorted(pauses.waits)


def test_a_truncated_manifest_is_asked_for_again(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer(send=10), sample.answer())
    assert resolve().raw == sample.raw


def test_an_interrupted_wait_ends_the_retries(server, sample, resolve, pauses):
    pauses.closed = True
    server.on(sample.manifest_path, sample.answer(status=503))
    with pytest.raises(Unreachable, match="closed"):
        resolve()
    assert len(server.asked) == 1


def test_redirects_are_followed_up_to_a_limit(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer(status=307, headers={"Location": "/round"}))
    server.on("/round", sample.answer(status=307, headers={"Location": "/round"}))
    with pytest.raises(TransportError, match="redirects"):
        resolve()
    assert len(server.asked) == 11


@pytest.mark.parametrize(
    "target", ["http://[", "ftp://x/y", "http://x:port/", "file:///etc/passwd"]
)
def test_a_redirect_to_nowhere_is_an_error_of_ours(server, sample, resolve, target):
    server.on(sample.manifest_path, sample.answer(status=302, headers={"Location": target}))
    with pytest.raises(TransportError):
        resolve()


def test_nobody_listening_is_unreachable_at_once(server, open_transport, pauses):
    server.close()
    transport = open_transport(f"{server.host}/me/app")
    with pytest.raises(Unreachable, match="refused"):
        transport.resolve(host_platform())
    assert pauses.waits == []


def test_a_stalled_server_times_out(server, sample, resolve):
    server.on(sample.manifest_path, sample.answer(send=5, stall=True))
    with pytest.raises(Unreachable, match="stalled"):
        resolve(timeout=0.2, retries=0)


def test_proxies_are_used_but_not_for_loopback(server, sample, open_transport, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.on(sample.manifest_path, sample.answer())
    transport = open_transport(f"{server.host}/me/app:1")
    assert transport.resolve(host_platform()).raw == sample.raw


def test_a_proxy_stands_before_other_hosts(server, sample, open_transport, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://{server.host}")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    server.on("http://registry.test/v2/me/app/manifests/1", sample.answer())
    transport = open_transport("registry.test/me/app:1", insecure=["registry.test"])
    assert transport.resolve(host_platform()).raw == sample.raw


def test_a_dead_proxy_is_named_as_such(open_transport, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as caught:
        open_transport("registry.test/me/app:1").resolve(host_platform())
    assert "HTTPS_PROXY" in caught.value.hint


def test_netrc_is_left_alone(server, sample, resolve, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.on(sample.manifest_path, sample.answer())
    resolve()
    assert "authorization" not in server.asked[0].headers


def test_cookies_are_not_kept(server, sample, resolve, open_transport):
    server.on(sample.manifest_path, sample.answer(headers={"Set-Cookie": "a=b"}))
    transport = open_transport(f"{server.host}/me/app:1")
    transport.resolve(host_platform())
    transport.resolve(host_platform())
    assert "cookie" not in server.asked[-1].headers
