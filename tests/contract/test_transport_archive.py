"""Archives and layouts keep the contract of transports, to read from and to write to."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile

import pytest
import zstandard
from plugrun.api import Descriptor, host_platform
from plugrun.testing.pushing import PushSuite
from plugrun.testing.transport import TransportSuite as Contract
from plugrun_archive_tar.plugin import plugrun_open_transport

from tests.registry import make_image, tar_of

NAME = "registry.example/contract/archive:1"


@pytest.fixture(scope="module")
def image():
    layers = [tar_of({"etc/": b"", "etc/a": b"a"}), tar_of({"big": os.urandom(3_000_001)})]
    return make_image(layers, {"Cmd": ["sh"]}, architecture=host_platform().architecture)


def opened(address):
    transport = plugrun_open_transport(address, {})
    assert transport is not None
    return transport


def put(address, image):
    transport = opened(address)
    for blob in (image.config, *image.layers):
        described = Descriptor(blob.media_type, blob.digest, len(blob.data))
        transport.put(described, lambda offset, data=blob.data: (data[offset:],))
    blob = image.manifest
    manifest = Descriptor(blob.media_type, blob.digest, len(blob.data))
    transport.put_manifest(manifest, blob.data, [NAME])
    transport.finish()
    transport.close()


class Suite(Contract):
    """One image at one address."""

    scheme = ""

    @pytest.fixture
    def address(self, tmp_path, image):
        put(f"{self.scheme}:{tmp_path}/image", image)
        return f"{self.scheme}:{tmp_path}/image"

    @pytest.fixture
    def transport(self, address):
        transport = opened(address)
        yield transport
        transport.close()

    @pytest.fixture
    def missing_transport(self, address):
        transport = opened(f"{address}:nobody-put-this:1")
        yield transport
        transport.close()


class TestDockerArchive(Suite):
    scheme = "docker-archive"


class TestOciArchive(Suite):
    scheme = "oci-archive"


class TestOciLayout(Suite):
    scheme = "oci"


COMPRESS = {
    "bzip2": bz2.compress,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.fixture(scope="module", params=sorted(COMPRESS))
def compressed(tmp_path_factory, image, request):
    """Made once for all tests: xz takes a second."""
    path = f"{tmp_path_factory.mktemp('compressed')}/image"
    put(f"docker-archive:{path}", image)
    with open(path, "rb") as file:
        data = COMPRESS[request.param](file.read())
    with open(f"{path}.new", "wb") as file:
        file.write(data)
    return f"{path}.new"


class TestCompressed(Suite):
    """Through a temporary file, whatever the compression."""

    @pytest.fixture
    def address(self, compressed):
        return f"docker-archive:{compressed}"


class TestLegacy(Suite):
    """Docker's form of before version 25: folders of layers, some of them links."""

    @pytest.fixture
    def address(self, tmp_path, image):
        path = f"{tmp_path}/legacy.tar"
        with tarfile.open(path, "w") as archive:
            names = []
            for number, layer in enumerate(image.layers):
                data = gzip.decompress(layer.data)
                add(archive, f"{number}/layer.tar", data)
                names.append(f"{number}/layer.tar")
            link = tarfile.TarInfo("again/layer.tar")
            link.type, link.linkname = tarfile.SYMTYPE, "../1/layer.tar"
            archive.addfile(link)
            names[1] = "again/layer.tar"
            config = f"{image.config.digest[7:]}.json"
            add(archive, config, image.config.data)
            entry = {"Config": config, "RepoTags": ["contract:1"], "Layers": names}
            add(archive, "manifest.json", json.dumps([entry]).encode())
        return f"docker-archive:{path}"


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


class Destination(PushSuite):
    scheme = ""

    @pytest.fixture
    def open_destination(self, tmp_path):
        return lambda: opened(f"{self.scheme}:{tmp_path}/made")

    @pytest.fixture
    def name_of(self):
        return lambda tag: f"registry.example/contract/pushed:{tag}"

    @pytest.fixture
    def open_source(self, tmp_path):
        return lambda name: opened(f"{self.scheme}:{tmp_path}/made:{name}")


class TestPutDockerArchive(Destination):
    scheme = "docker-archive"


class TestPutOciArchive(Destination):
    scheme = "oci-archive"


class TestPutOciLayout(Destination):
    scheme = "oci"


class TestDirectory(Suite):
    """skopeo's folder: one image."""

    scheme = "dir"

    @pytest.fixture
    def missing_transport(self, tmp_path):
        transport = opened(f"dir:{tmp_path}")
        yield transport
        transport.close()


class TestPutDirectory(Destination):
    scheme = "dir"

    @pytest.fixture
    def name_of(self):
        return lambda tag: "localhost/made:latest"  # an image in a folder has its folder's name

    @pytest.fixture
    def open_source(self, tmp_path):
        return lambda name: opened(f"dir:{tmp_path}/made")


class TestRootfs(Contract):
    """A tree of files with what trees have."""

    @pytest.fixture
    def transport(self, tmp_path):
        root = tmp_path / "tree"
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "sh").write_bytes(os.urandom(3_000_001))
        os.link(root / "bin" / "sh", root / "bin" / "bash")
        os.symlink("bin", root / "usr")
        os.mkfifo(root / "fifo")
        transport = opened(f"rootfs:{root}")
        yield transport
        transport.close()

    @pytest.fixture
    def missing_transport(self, tmp_path):
        transport = opened(f"rootfs:{tmp_path}/nothing-here")
        yield transport
        transport.close()
