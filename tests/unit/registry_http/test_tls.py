"""TLS: checked unless the user says otherwise, and its errors say what to do."""

from __future__ import annotations

import shutil
import ssl
import subprocess

import pytest
from plugrun.api import ConfigError, Unreachable, host_platform
from plugrun_registry_http import client as client_module
from plugrun_registry_http import places as places_module


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate nobody has signed, made for this run."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def tls_server(server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    # The handshake belongs to the connection's own thread, or one bad client stops the server.
    server._http.socket = context.wrap_socket(
        server._http.socket, server_side=True, do_handshake_on_connect=False
    )
    return server


@pytest.fixture
def not_loopback(monkeypatch):
    """Judge 127.0.0.1 as if it were far away."""
    monkeypatch.setattr(places_module, "is_loopback", lambda netloc: False)
    monkeypatch.setattr(client_module, "is_loopback", lambda netloc: True)


def test_loopback_with_tls_is_found_without_a_check(tls_server, sample, open_transport):
    tls_server.on(sample.manifest_path, sample.answer())
    transport = open_transport(f"{tls_server.host}/me/app:1", retries=0)
    assert transport.resolve(host_platform()).source == f"https://{tls_server.host}"


def test_an_unknown_certificate_is_refused_with_a_way_out(
    tls_server, sample, open_transport, not_loopback
):
    tls_server.on(sample.manifest_path, sample.answer())
    with pytest.raises(Unreachable, match="TLS") as caught:
        open_transport(f"{tls_server.host}/me/app:1").resolve(host_platform())
    assert "insecure" in caught.value.hint
    assert "authority" in caught.value.hint
    assert tls_server.asked == []


def test_a_trusted_authority_is_enough(
    tls_server, sample, open_transport, not_loopback, monkeypatch, certificate
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    tls_server.on(sample.manifest_path, sample.answer())
    found = open_transport(f"{tls_server.host}/me/app:1").resolve(host_platform())
    assert found.source == f"https://{tls_server.host}"


def test_insecure_is_not_checked(tls_server, sample, open_transport, not_loopback):
    tls_server.on(sample.manifest_path, sample.answer())
    transport = open_transport(f"{tls_server.host}/me/app:1", insecure=[tls_server.host])
    assert transport.resolve(host_platform()).source == f"https://{tls_server.host}"


def test_insecure_falls_to_plain_http(server, sample, open_transport, not_loopback):
    server.on(sample.manifest_path, sample.answer())
    transport = open_transport(f"{server.host}/me/app:1", insecure=[server.host])
    assert transport.resolve(host_platform()).source == f"http://{server.host}"


def test_plain_http_where_tls_is_due_says_what_to_do(server, open_transport, not_loopback, pauses):
    with pytest.raises(Unreachable, match="TLS") as caught:
        open_transport(f"{server.host}/me/app:1").resolve(host_platform())
    assert "mark it insecure" in caught.value.hint
    assert pauses.waits == []


def test_a_secure_registry_may_not_send_us_to_plain_http(
    tls_server, other_server, sample, open_transport, not_loopback, monkeypatch, certificate
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    target = {"Location": f"http://{other_server.host}/moved"}
    tls_server.on(sample.manifest_path, sample.answer(status=307, headers=target))
    with pytest.raises(Exception, match="not HTTPS"):
        open_transport(f"{tls_server.host}/me/app:1").resolve(host_platform())
    assert other_server.asked == []


def test_a_registrys_own_authority_is_trusted(
    tls_server, sample, open_transport, not_loopback, certificate, tmp_path
):
    """Docker's certs.d: HOST[:PORT]/ca.crt; and only for that registry."""
    (tmp_path / tls_server.host).mkdir()
    shutil.copy(certificate[0], tmp_path / tls_server.host / "ca.crt")
    tls_server.on(sample.manifest_path, sample.answer())
    transport = open_transport(f"{tls_server.host}/me/app:1", certificates=str(tmp_path))
    assert transport.resolve(host_platform()).raw == sample.raw
    other = tls_server.host.replace("127.0.0.1", "localhost")
    with pytest.raises(Unreachable, match="TLS"):
        open_transport(f"{other}/me/app:1", certificates=str(tmp_path)).resolve(host_platform())


def test_a_certificate_of_our_own_is_shown(
    tls_server, sample, open_transport, not_loopback, certificate, tmp_path
):
    folder = tmp_path / tls_server.host
    folder.mkdir()
    for name, source in zip(("ca.crt", "client.cert"), (certificate[0],) * 2, strict=True):
        shutil.copy(source, folder / name)
    tls_server._http.socket.context.load_verify_locations(certificate[0])
    tls_server._http.socket.context.verify_mode = ssl.CERT_REQUIRED
    tls_server.on(sample.manifest_path, sample.answer())
    with pytest.raises(ConfigError, match=r"client\.cert has no key"):
        open_transport(f"{tls_server.host}/me/app:1", certificates=str(tmp_path)).resolve(
            host_platform()
        )
    shutil.copy(certificate[1], folder / "client.key")
    transport = open_transport(f"{tls_server.host}/me/app:1", certificates=str(tmp_path))
    assert transport.resolve(host_platform()).raw == sample.raw
