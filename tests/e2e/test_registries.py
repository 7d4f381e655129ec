"""``push``, ``pull -a``, ``login`` and ``logout`` against real registries."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import uuid

import pytest

from tests.e2e.conftest import HOST_IMAGE
from tests.e2e.terminal import Terminal
from tests.registry import INDEX, Blob, Registry, make_image, running_registry, tar_of
from tests.tokenserver import TokenServer

USER, PASSWORD = "alice", "secret"
HTPASSWD = "alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
RUN = ("run", "--rm", "--network", "none")


@pytest.fixture
def repository(registry: Registry) -> str:
    return f"{registry.host}/e2e/{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def image():
    base = tar_of({"base": os.urandom(3_000_000)})
    return make_image([base, tar_of({"upper": b"u"})])


def id_of(plugrun, name: str) -> str:
    return json.loads(plugrun.out("image", "inspect", name))[0]["Id"]


def short_ids(plugrun, name: str) -> list[str]:
    return [
        d[7:19] for d in json.loads(plugrun.out("image", "inspect", name))[0]["RootFS"]["Layers"]
    ]


def test_what_is_pushed_comes_back(alone, registry, image, repository):
    source = registry.push("e2e/origin", image, uuid.uuid4().hex)
    alone("pull", "-q", source)
    id, layers = id_of(alone, source), short_ids(alone, source)
    alone("tag", source, f"{repository}:1")
    lines = alone.out("push", f"{repository}:1").splitlines()
    assert lines[0] == f"The push refers to repository [{repository}]"
    assert lines[1:3] == [f"{layer}: Preparing" for layer in reversed(layers)]
    assert sorted(lines[3:5]) == sorted(f"{layer}: Mounted from e2e/origin" for layer in layers)
    assert lines[5] == (f"1: digest: {image.manifest.digest} size: {len(image.manifest.data)}")
    again = alone.out("push", f"{repository}:1").splitlines()
    assert sorted(again[3:5]) == sorted(f"{layer}: Layer already exists" for layer in layers)
    assert again[5] == lines[5]
    alone("rmi", source, f"{repository}:1")
    assert alone.out("pull", "-q", f"{repository}:1") == f"{repository}:1"
    assert id_of(alone, f"{repository}:1") == id


def test_a_plain_layer_goes_compressed_and_always_the_same(alone, repository):
    alone("pull", "-q", HOST_IMAGE)
    id = alone.out("images", "-q", "--no-trunc")
    digests = set()
    for tag in ("1", "2"):
        alone("tag", id, f"{repository}-{tag}:{tag}")
        lines = alone.out("push", f"{repository}-{tag}:{tag}").splitlines()
        digests.add(lines[-1].split()[2])
        [layer] = short_ids(alone, id)
        state = "Pushed" if tag == "1" else f"Mounted from {repository.partition('/')[2]}-1"
        assert f"{layer}: {state}" in lines
    assert len(digests) == 1
    alone("rmi", "-f", id)
    alone("pull", "-q", f"{repository}-1:1")
    assert id_of(alone, f"{repository}-1:1") == id
    assert alone.out(*RUN, f"{repository}-1:1", "cat", "/proc/self/comm") == "cat"
    digest = digests.pop()
    pulled = alone.out("pull", f"{repository}-1@{digest}").splitlines()
    assert pulled[-2].startswith("Status: Image is up to date")


def test_what_is_pushed_is_up_to_date(alone, repository):
    alone("pull", "-q", HOST_IMAGE)
    alone("tag", alone.out("images", "-q"), f"{repository}:1")
    alone("push", "-q", f"{repository}:1")
    assert f"Status: Image is up to date for {repository}:1" in alone.out("pull", f"{repository}:1")


def test_all_tags_go_and_come(alone, registry, repository):
    tars = [tar_of({"file": str(n).encode()}) for n in range(3)]
    ids = {}
    for n, tar in enumerate(tars):
        source = registry.push("e2e/origin", make_image([tar]), uuid.uuid4().hex)
        alone("pull", "-q", source)
        alone("tag", source, f"{repository}:{n}")
        ids[f"{repository}:{n}"] = id_of(alone, source)
        alone("rmi", source)
    lines = alone.out("image", "push", "--all-tags", repository).splitlines()
    assert lines[0] == f"The push refers to repository [{repository}]"
    assert [line.split(":")[0] for line in lines if " digest: " in line] == ["0", "1", "2"]
    alone("rmi", *ids)
    lines = alone.out("pull", "-a", repository).splitlines()
    path = repository.partition("/")[2]
    assert sorted(line for line in lines if "Pulling from" in line) == [
        f"{n}: Pulling from {path}" for n in range(3)
    ]
    assert lines[-2:] == [f"Status: Downloaded newer image for {repository}", repository]
    assert {name: id_of(alone, name) for name in ids} == ids
    assert f"Status: Image is up to date for {repository}" in alone.out("pull", "-a", repository)


def test_refusals_are_dockers(plugrun, repository):
    done = plugrun("push", repository, code=1)
    assert done.stdout == (
        f"Using default tag: latest\nThe push refers to repository [{repository}]\n"
    )
    assert done.stderr == f"An image does not exist locally with the tag: {repository}\n"
    plugrun("pull", "-q", HOST_IMAGE)
    id = plugrun.out("images", "-q").split()[0]
    plugrun("tag", id, f"{repository}:1")
    done = plugrun("push", f"{repository}:2", code=1)
    assert done.stderr == f"tag does not exist: {repository}:2\n"
    for command in ("push", "pull"):
        done = plugrun(command, "-a", f"{repository}:1", code=1)
        assert done.stderr == "tag can't be used with --all-tags/-a\n"
    plugrun("push", "-q", f"{repository}:1")
    done = plugrun("search", f"{repository}", code=1)
    assert "does not offer a search" in done.stderr


def test_what_is_committed_goes_out(alone, repository, tmp_path):
    name = f"{repository}:committed"
    alone("run", "--name", "changed", "--network", "none", HOST_IMAGE, "sh", "-c", "echo new >/new")
    id = alone.out("commit", "changed", name)
    alone("rm", "changed")
    assert alone.out("push", name).splitlines()[-1].startswith("committed: digest: sha256:")
    alone("save", "-o", f"{tmp_path}/a", name)
    alone("rmi", "-f", id)
    for command in (("pull", "-q", name), ("load", "-q", "-i", f"{tmp_path}/a")):
        alone(*command)
        assert id_of(alone, name) == id
        assert alone.out(*RUN, name, "cat", "/new") == "new"
        alone("rmi", "-f", id)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_what_is_pushed(alone, repository, tmp_path):
    alone("pull", "-q", HOST_IMAGE)
    id = alone.out("images", "-q", "--no-trunc")
    alone("tag", id, f"{repository}:1")
    alone("push", "-q", f"{repository}:1")
    target = f"dir:{tmp_path}/copied"
    subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{repository}:1", target],
        check=True,
    )
    with open(f"{tmp_path}/copied/manifest.json", encoding="utf-8") as file:
        assert json.load(file)["config"]["digest"] == id


# -- registries that ask who is there ---------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A registry with a list of users."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no registry here: install docker-registry")
    folder = str(tmp_path_factory.mktemp("guarded"))
    with open(f"{folder}/htpasswd", "w", encoding="utf-8") as file:
        file.write(HTPASSWD)
    more = f"auth: {{htpasswd: {{realm: here, path: {folder}/htpasswd}}}}\n"
    with running_registry(folder, program, more) as running:
        yield running


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A Docker configuration of the test's own."""
    folder = f"{tmp_path}/docker"
    monkeypatch.setenv("DOCKER_CONFIG", folder)
    return f"{folder}/config.json"


def test_login_lets_push_and_pull(alone, guarded, config):
    name = f"{guarded.host}/e2e/guarded:1"
    alone("pull", "-q", HOST_IMAGE)
    id = alone.out("images", "-q", "--no-trunc")
    alone("tag", id, name)
    assert "no basic auth credentials" in alone("push", name, code=1).stderr

    done = alone("login", "-u", USER, "-p", "wrong", guarded.host, code=1)
    assert "WARNING! Using --password via the CLI is insecure." in done.stderr
    assert "failed with status: 401 Unauthorized" in done.stderr
    assert not os.path.exists(config)

    done = alone("login", "-u", USER, "--password-stdin", guarded.host, input=f"{PASSWORD}\n")
    assert done.stdout == "Login Succeeded\n"
    assert f"WARNING! Your credentials are stored unencrypted in '{config}'." in done.stderr
    assert stat.S_IMODE(os.stat(config).st_mode) == 0o600
    with open(config, encoding="utf-8") as file:
        assert json.load(file) == {"auths": {guarded.host: {"auth": "YWxpY2U6c2VjcmV0"}}}

    assert " digest: sha256:" in alone.out("push", name)
    alone("rmi", "-f", id)
    alone("pull", "-q", name)
    assert id_of(alone, name) == id
    done = alone("login", guarded.host)
    assert "Authenticating with existing credentials... [Username: alice]" in done.stderr

    assert alone.out("logout", guarded.host) == f"Removing login credentials for {guarded.host}"
    with open(config, encoding="utf-8") as file:
        assert json.load(file) == {"auths": {}}
    assert "no basic auth credentials" in alone("pull", name, code=1).stderr


def test_login_keeps_what_else_is_in_the_file(alone, guarded, config):
    os.mkdir(os.path.dirname(config))
    more = {"auths": {"other.example": {"auth": "eDp5"}}, "proxies": {"default": {}}, "x": [1]}
    with open(config, "w", encoding="utf-8") as file:
        json.dump(more, file)
    alone("login", "-u", USER, "-p", PASSWORD, guarded.host)
    with open(config, encoding="utf-8") as file:
        body = json.load(file)
    assert body.pop("auths") == {
        "other.example": {"auth": "eDp5"},
        guarded.host: {"auth": "YWxpY2U6c2VjcmV0"},
    }
    assert body == {"proxies": {"default": {}}, "x": [1]}


def test_login_asks_at_a_terminal(alone, guarded, config):
    with Terminal([*alone.argv, "login", guarded.host]) as terminal:
        terminal.expect("Username: ")
        terminal.send(f"{USER}\n")
        terminal.expect("Password: ")
        terminal.send(f"{PASSWORD}\n")
        terminal.expect("Login Succeeded")
        assert terminal.wait() == 0
        assert PASSWORD not in terminal.seen
        assert terminal.is_restored
    with Terminal([*alone.argv, "login", "-u", "bob", guarded.host]) as terminal:
        terminal.expect("Password: ")
        terminal.send("\x03")
        assert terminal.wait() == 130
        assert terminal.is_restored


def test_refused_command_lines(plugrun, guarded, config):
    done = plugrun("login", "--password-stdin", guarded.host, code=1)
    assert done.stderr == "the --password-stdin option requires --username to be set\n"
    done = plugrun("login", "-u", "a", "-p", "b", "--password-stdin", guarded.host, code=1)
    assert done.stderr == (
        "conflicting options: cannot specify both --password and --password-stdin\n"
    )
    done = plugrun("login", "-u", "a", guarded.host, code=1)
    assert done.stderr == "Error: Cannot perform an interactive login from a non TTY device\n"


HELPER = """\
#!/bin/sh
folder=$(dirname "$0")
echo "$1" >> "$folder/acts"
case $1 in
  store) cat > "$folder/kept";;
  get) [ -e "$folder/kept" ] || { echo "credentials not found in native keychain"; exit 1; }
       cat "$folder/kept";;
  erase) rm "$folder/kept";;
esac
"""


def test_a_credential_helper_keeps_them(alone, guarded, config, tmp_path, monkeypatch):
    os.mkdir(os.path.dirname(config))
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"credHelpers": {guarded.host: "tried"}}, file)
    program = f"{tmp_path}/docker-credential-tried"
    with open(program, "w", encoding="utf-8") as file:
        file.write(HELPER)
    os.chmod(program, 0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    done = alone("login", "-u", USER, "-p", PASSWORD, guarded.host)
    assert "WARNING! Your credentials" not in done.stderr
    with open(config, encoding="utf-8") as file:
        assert PASSWORD not in file.read()
    with open(f"{tmp_path}/kept", encoding="utf-8") as file:
        assert json.load(file) == {
            "ServerURL": guarded.host, "Username": USER, "Secret": PASSWORD
        }  # fmt: skip
    alone("pull", "-q", HOST_IMAGE)
    name = f"{guarded.host}/e2e/helped:1"
    alone("tag", alone.out("images", "-q"), name)
    alone("push", "-q", name)
    alone("logout", guarded.host)
    assert not os.path.exists(f"{tmp_path}/kept")
    assert "no basic auth credentials" in alone("pull", name, code=1).stderr


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A registry that wants tokens, and the server that grants them."""
    program = shutil.which("docker-registry")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("needs docker-registry and openssl")
    folder = str(tmp_path_factory.mktemp("tokens"))
    with (
        TokenServer(folder, USER, PASSWORD).running() as server,
        running_registry(folder, program, server.config) as running,
    ):
        yield running, server


def test_tokens_are_fetched_with_the_name_and_password(alone, tokens, config, image):
    registry, server = tokens
    alone("pull", "-q", HOST_IMAGE)
    id = alone.out("images", "-q", "--no-trunc")
    one, two = (f"{registry.host}/e2e/{name}:1" for name in ("one", "two"))
    for name in (one, two):
        alone("tag", id, name)
    assert "denies access" in alone("push", one, code=1).stderr
    done = alone("login", "-u", USER, "-p", "wrong", registry.host, code=1)
    assert "401 Unauthorized" in done.stderr
    alone("login", "-u", USER, "-p", PASSWORD, registry.host)
    assert "Pushed" in alone.out("push", one)
    assert "Mounted from e2e/one" in alone.out("push", two)
    scopes = {scope for query, _ in server.asked for scope in query.get("scope", [])}
    assert {"repository:e2e/one:pull,push", "repository:e2e/one:pull"} <= scopes
    alone("logout", registry.host)
    alone("rmi", "-f", id)
    alone("pull", "-q", two)
    assert id_of(alone, two) == id
    assert server.asked[-1][1] == ""


# -- a repository as others see it ------------------------------------------------------------


def test_tags_are_listed_and_images_deleted(plugrun, registry):
    image = make_image([tar_of({"x": os.urandom(100)})])
    for tag in ("a", "b"):
        registry.push("repository/app", image, tag)
    name = f"{registry.host}/repository/app"
    assert sorted(plugrun.out("registry", "tags", name).split()) == ["a", "b"]
    # This registry, as most, deletes by digest alone; a tag is never taken for more than itself.
    done = plugrun("registry", "rm", f"{name}:a", code=1)
    assert "by its digest" in done.stderr
    assert sorted(plugrun.out("registry", "tags", name).split()) == ["a", "b"]
    told = plugrun.out("registry", "rm", f"{name}@{image.manifest.digest}")
    assert told == f"{name}@{image.manifest.digest}"
    assert plugrun("pull", f"{name}:a", code=1).returncode == 1
    assert "neither a tag" in plugrun("registry", "rm", name, code=1).stderr
    assert "no registry" in plugrun("registry", "tags", "host:sh", code=1).stderr


def test_referrers_by_the_tag_of_a_digest(plugrun, registry):
    """docker-registry 2.8 knows no referrers: a client keeps their index under a tag."""
    image = make_image([tar_of({"x": b"x"})])
    name = registry.push("repository/signed", image, "1")
    assert plugrun.out("registry", "referrers", name) == "DIGEST    TYPE      SIZE"
    entry = {**image.manifest.descriptor, "artifactType": "application/x.sbom"}
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    tag = image.manifest.digest.replace(":", "-")
    registry.put_manifest("repository/signed", tag, Blob(INDEX, json.dumps(listed).encode()))
    told = plugrun.out("registry", "referrers", "--format", "{{.Digest}} {{.Type}}", name)
    assert told == f"{image.manifest.digest[:19]} application/x.sbom"
    assert plugrun.out("registry", "referrers", "--type", "other", "--format", "json", name) == ""
