"""A layer that lost its files, unpacked again from its blob into its own place."""

from __future__ import annotations

import os

from plugrun.engine.images.blobs import layer_blob
from plugrun.engine.images.layerwork import remove_left_over
from plugrun.engine.images.manifests import LARGEST_CONFIG, parse_image_config
from plugrun.engine.images.regaining import how_to_regain
from plugrun.engine.images.transfer import sync_filesystem
from plugrun.errors import Corrupt, NotFound
from plugrun.interfaces.storage import INDEPENDENT_LAYERS
from plugrun.layers.failures import found_in
from plugrun.layers.implied import complete
from plugrun.layers.unpack import unpack_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage
    from plugrun.model.image import Image


def restore(engine: Engine, storage: Storage, chain: str) -> None:
    """Unpack the layer that a ChainID names, and put its files where they are missing.

    What stands on it stands on the new files. Raise NotFound if a blob is gone, Corrupt if one is
    damaged; nothing has changed then.
    """
    image = next((i for i in engine.metadata.images() if chain in i.chain), None)
    if image is None:
        raise NotFound(f"no image has the layer {chain}")
    parent = storage.stat(chain).parent
    first = image.chain.index(parent) + 1 if parent else 0
    key = f"unpack-{chain[7:71]}"
    remove_left_over(storage, key)
    storage.prepare(key, parent)
    try:
        for number in range(first, image.chain.index(chain) + 1):
            _unpack(engine, storage, key, image, number)
        sync_filesystem(engine)
        storage.mend(chain, key)
    except BaseException:
        remove_left_over(storage, key)
        raise


def _unpack(engine: Engine, storage: Storage, key: str, image: Image, number: int) -> None:
    blob = layer_blob(engine, image, number)
    if not blob:
        raise NotFound(
            f"the blob of layer {image.chain[number]} is gone",
            hint=how_to_regain(engine, image, (image.layers[number],)),
        )
    config = parse_image_config(engine.content.read(image.id, LARGEST_CONFIG))
    tree = storage.layer_tree(key)
    with found_in(f"blob {blob}"):
        result = unpack_layer(engine.content.path(blob), tree.path, tree.whiteouts)
        if result.diff_id != config.diff_ids[number]:
            raise Corrupt("it does not unpack to what the image's config says")
    if INDEPENDENT_LAYERS in storage.capabilities and os.path.isdir(tree.path):
        complete(tree, result)
