"""Fingerprints and caches of version 0.2, by which runs of it know their images."""

from collections.abc import Mapping

from absl import logging

from agave_tf.data.cache import cache_digest, caches_made
from agave_tf.data.folder_tree import PictureFiles
from agave_tf.data.python_passes import Passes
from agave_tf.data.source import ImageSource, fingerprint_of
from agave_tf.settings.data import DataConfig


def fingerprint_of_pictures(files_of: Mapping[str, PictureFiles]) -> str:
    """Tells the files of a folder apart by part, name and size."""
    return fingerprint_of(
        "folder",
        [
            [part, name, size]
            for part, files in files_of.items()
            for name, size in zip(files.names, files.sizes(), strict=True)
        ],
    )


def fingerprint_of_passes(passes: Mapping[str, Passes]) -> str:
    """Tells a program's images in this order from others, without their labels."""
    facts = {}
    for name, each in passes.items():
        keys = each.keys
        if each.is_shuffled:
            keys = [key for _, key in sorted(zip(each.entries, keys, strict=True))]
        facts[name] = [key.hex() for key in keys]
    return fingerprint_of("in_python", facts)


def say_older_cache(source: ImageSource, config: DataConfig) -> None:
    """Logs which cache of version 0.2 is of no use any more.

    It is not known which content of the files it was made from.
    """
    _, older = source.fingerprints()
    for path in caches_made(cache_digest(1, (older,), config), config):
        logging.info("%s, of version 0.2, is not used and can be removed.", path)
