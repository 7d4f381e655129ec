"""Bearer tokens: asked for, kept, renewed, and never shown to another host."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.api import TransportError, Unauthorized, host_platform
from plugrun_registry_http.challenge import bearer, parse_challenges
from plugrun_registry_http.places import Place
from plugrun_registry_http.tokens import Tokens

SCOPE = "repository:me/app:pull"


def asks_for_token(server, realm_host=None):
    realm = f"http://{realm_host or server.host}/token"
    value = f'Bearer realm="{realm}",service="here",scope="{SCOPE}"'
    return {"WWW-Authenticate": value}


@pytest.fixture
def guarded(server, sample):
    """A server that wants the newest token it gave out."""
    given_out = []

    def token(_asked):
        given_out.append(f"token-{len(given_out) + 1}")
        return sample.answer(body=json.dumps({"token": given_out[-1], "expires_in": 300}).encode())

    def behind(answer):
        def check(asked):
            if given_out and asked.headers.get("authorization") == f"Bearer {given_out[-1]}":
                return answer
            return sample.answer(status=401, body=b"", headers=asks_for_token(server))

        return check

    server.on("/token", token)
    server.on(sample.manifest_path, behind(sample.answer()))
    server.on(sample.blob_path, behind(sample.answer(body=sample.blob)))
    server.given_out = given_out
    return server


def test_a_token_is_asked_for_by_repository_and_reused(guarded, sample, open_transport):
    transport = open_transport(f"{guarded.host}/me/app:1")
    assert transport.resolve(host_platform()).raw == sample.raw
    assert b"".join(transport.fetch(sample.descriptor)) == sample.blob
    (asked,) = guarded.requests("/token")
    assert parse_qs(urlsplit(asked.path).query) == {"service": ["here"], "scope": [SCOPE]}
    assert "authorization" not in asked.headers
    assert len(guarded.requests(sample.blob_path)) == 1


def test_a_token_that_ends_in_mid_pull_is_renewed_once(guarded, sample, open_transport):
    transport = open_transport(f"{guarded.host}/me/app:1")
    transport.resolve(host_platform())
    guarded.given_out.append("a newer one that the client has not seen")
    assert b"".join(transport.fetch(sample.descriptor)) == sample.blob
    assert len(guarded.requests("/token")) == 2


def test_threads_that_are_refused_together_renew_once(guarded, sample, open_transport):
    transport = open_transport(f"{guarded.host}/me/app:1")
    transport.resolve(host_platform())
    guarded.given_out.append("newer")
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(lambda: b"".join(transport.fetch(sample.descriptor))) for _ in range(6)]
        assert all(job.result() == sample.blob for job in jobs)
    assert len(guarded.requests("/token")) == 2


def test_a_token_that_does_not_help_is_a_refusal(server, sample, open_transport):
    server.on("/token", sample.answer(body=b'{"access_token": "x"}'))
    refusal = sample.answer(status=401, headers=asks_for_token(server))
    server.on(sample.manifest_path, refusal)
    with pytest.raises(Unauthorized):
        open_transport(f"{server.host}/me/app:1").resolve(host_platform())
    assert len(server.requests(sample.manifest_path)) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}', b'{"token": "a b"}',
     b'{"token": "x", "expires_in": -1}', b'{"token": "x", "expires_in": "soon"}'],
)  # fmt: skip
def test_an_answer_without_a_token_is_an_error(server, sample, open_transport, body):
    server.on("/token", sample.answer(body=body))
    server.on(sample.manifest_path, sample.answer(status=401, headers=asks_for_token(server)))
    with pytest.raises(TransportError, match="token"):
        open_transport(f"{server.host}/me/app:1").resolve(host_platform())


def test_a_life_that_no_float_holds_is_a_long_one(guarded, sample, open_transport):
    guarded.on("/token", sample.answer(body=b'{"token": "t", "expires_in": ' + b"9" * 400 + b"}"))
    guarded.given_out.append("t")
    assert open_transport(f"{guarded.host}/me/app:1").resolve(host_platform()).raw == sample.raw


def test_a_token_server_that_denies_is_a_refusal(server, sample, open_transport):
    server.on("/token", sample.answer(status=403, body=b""))
    server.on(sample.manifest_path, sample.answer(status=401, headers=asks_for_token(server)))
    with pytest.raises(Unauthorized):
        open_transport(f"{server.host}/me/app:1").resolve(host_platform())


@pytest.mark.parametrize("realm", ["http://[/", "ftp://x", "nonsense", "http://x:y/"])
def test_a_token_server_of_no_use_is_an_error(server, sample, open_transport, realm):
    headers = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    server.on(sample.manifest_path, sample.answer(status=401, headers=headers))
    with pytest.raises(TransportError):
        open_transport(f"{server.host}/me/app:1").resolve(host_platform())


@pytest.mark.parametrize("elsewhere", [True, False])
def test_authorization_stays_with_its_host(
    guarded, other_server, sample, open_transport, elsewhere
):
    to = other_server if elsewhere else guarded
    moved = sample.answer(status=307, headers={"Location": f"http://{to.host}/moved?signed=1"})
    guarded.on(sample.blob_path, moved)
    to.on("/moved", sample.answer(body=sample.blob))
    transport = open_transport(f"{guarded.host}/me/app:1")
    transport.resolve(host_platform())
    assert b"".join(transport.fetch(sample.descriptor)) == sample.blob
    assert guarded.requests(sample.blob_path)[-1].headers["authorization"] == "Bearer token-1"
    assert ("authorization" in to.requests("/moved")[-1].headers) is not elsewhere


def test_another_hosts_challenge_is_not_answered(guarded, other_server, sample, open_transport):
    moved = sample.answer(status=307, headers={"Location": f"http://{other_server.host}/moved"})
    guarded.on(sample.blob_path, moved)
    wants = sample.answer(status=401, headers=asks_for_token(other_server))
    other_server.on("/moved", wants)
    transport = open_transport(f"{guarded.host}/me/app:1")
    with pytest.raises(Unauthorized):
        list(transport.fetch(sample.descriptor))
    assert other_server.requests("/token") == []


@pytest.mark.parametrize(("life", "usable"), [(300, 295), (60, 55), (8, 4), (1, 0.5)])
def test_a_token_is_used_until_shortly_before_its_end(life, usable):
    now = [1000.0]
    body = json.dumps({"token": "x", "expires_in": life}).encode()
    tokens = Tokens(lambda question: body, lambda: now[0])
    place = Place("r", "https://r")
    challenge = bearer('Bearer realm="https://r/token"')
    assert tokens.header(place, SCOPE) == ""
    assert tokens.renew(place, challenge, SCOPE, "") == "Bearer x"
    now[0] += usable - 0.01
    assert tokens.header(place, SCOPE) == "Bearer x"
    now[0] += 0.02
    assert tokens.header(place, SCOPE) == ""
    assert tokens.header(Place("other", "https://other"), SCOPE) == ""


@pytest.mark.parametrize(
    ("header", "realm"),
    [
        ('Bearer realm="https://a/t",service="s"', "https://a/t"),
        ('bearer REALM="https://a/t"', "https://a/t"),
        ("Bearer realm=https://a/t", "https://a/t"),
        ('Basic realm="x, y", Bearer realm="https://a/t", scope="a,b"', "https://a/t"),
        ('Negotiate abc==, Bearer service="s" , realm = "https://a/t"', "https://a/t"),
        (r'Bearer realm="https://a/\"t"', 'https://a/"t'),
    ],
)
def test_challenges_are_found_among_others(header, realm):
    found = bearer(header)
    assert found is not None
    assert found.get("realm") == realm


@pytest.mark.parametrize(
    "header", ["", "Basic realm=x", "Bearer", 'Bearer service="s"', "=,=", '"']
)
def test_no_bearer_is_none(header):
    assert bearer(header) is None


@given(st.text())
def test_any_header_is_parsed(text):
    for challenge in parse_challenges(text):
        assert challenge.scheme == challenge.scheme.lower()
