"""Registries keep the contract of transports: against a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid

import pytest
from plugrun.api import Descriptor, host_platform
from plugrun.testing.pushing import PushSuite
from plugrun.testing.transport import TransportSuite as Contract
from plugrun_registry_http.plugin import plugrun_open_transport

from tests.registry import make_image, make_index, tar_of

NAME = "contract/registry"


@pytest.fixture(scope="module")
def image():
    # More than one read's worth, so that offsets fall into the middle of a stream.
    layers = [tar_of({"etc/": b"", "etc/a": b"a"}), tar_of({"big": os.urandom(3_000_001)})]
    return make_image(layers, {"Cmd": ["sh"]}, architecture=host_platform().architecture)


def opened(address):
    transport = plugrun_open_transport(address, {"retries": 0, "timeout": 20})
    assert transport is not None
    return transport


class Suite(Contract):
    @pytest.fixture
    def transport(self, reference):
        transport = opened(f"docker://{reference}")
        yield transport
        transport.close()

    @pytest.fixture
    def missing_transport(self, registry):
        transport = opened(f"{registry.host}/contract/nobody-pushed-this:1")
        yield transport
        transport.close()


class TestManifest(Suite):
    @pytest.fixture
    def reference(self, registry, image):
        return registry.push(NAME, image)

    @pytest.fixture
    def expected(self, image):
        blob = image.manifest
        return Descriptor(blob.media_type, blob.digest, len(blob.data))

    def test_a_missing_image_names_where_it_looked(self, missing_transport, registry):
        with pytest.raises(Exception, match=registry.host):
            missing_transport.resolve(host_platform())


class TestIndex(Suite):
    @pytest.fixture
    def reference(self, registry, image):
        platform = {"os": "linux", "architecture": host_platform().architecture}
        return registry.push(f"{NAME}-index", make_index([(image, platform)]), "multi")


class TestByDigest(Suite):
    @pytest.fixture
    def reference(self, registry, image):
        registry.push(NAME, image)
        return f"{registry.host}/{NAME}@{image.manifest.digest}"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
class TestPushedBySkopeo(Suite):
    """What another tool pushed, as it writes it: Docker's media types."""

    @pytest.fixture
    def reference(self, registry, image):
        source = registry.push(NAME, image)
        target = f"{registry.host}/contract/skopeo:copied"
        subprocess.run(
            ["skopeo", "copy", "-q", "--format=v2s2", "--src-tls-verify=false",
             "--dest-tls-verify=false", f"docker://{source}", f"docker://{target}"],
            check=True,
        )  # fmt: skip
        return target


class TestPush(PushSuite):
    """What is put into a real registry comes back."""

    @pytest.fixture
    def repository(self, registry):
        return f"{registry.host}/contract/{uuid.uuid4().hex}"

    @pytest.fixture
    def open_destination(self, repository):
        return lambda: opened(f"docker://{repository}")

    @pytest.fixture
    def name_of(self, repository):
        return lambda tag: f"{repository}:{tag}"

    @pytest.fixture
    def open_source(self):
        return lambda name: opened(f"docker://{name}")

    def test_a_blob_of_another_repository_is_mounted(self, open_destination, registry):
        data = os.urandom(100_000)
        digest = registry.put_blob("contract/origin", data)
        blob = Descriptor("application/octet-stream", digest, len(data))
        transport = open_destination()
        near = [f"{registry.host}/contract/nobody:1", f"{registry.host}/contract/origin:1"]
        assert transport.mount(blob, ["elsewhere.example/contract/origin:1"]) == ""
        assert transport.mount(blob, near) == near[1]
        assert transport.has(blob)
        transport.close()
