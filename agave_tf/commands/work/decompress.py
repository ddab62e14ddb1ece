"""The work of bin/decompress.py: decodes a file, and writes its images."""

import os
from collections.abc import Sequence

import numpy as np
from absl import flags, logging

from agave_tf.codec.codec import Codec
from agave_tf.codec.opened_file import Decoded
from agave_tf.codec.threads import use_threads
from agave_tf.errors import InputError
from agave_tf.pictures.grid import write_png
from agave_tf.progress_bar import progress_bar
from agave_tf.runs.open_run import open_run
from agave_tf.whole_file import new_directory, write_npz

# The longest name of a file on Linux, in bytes. A JPEG's may leave no room for .png.
_LONGEST_NAME = 255
_MOST_SHOWN = 20  # numbers of lost pictures


def run(values: flags.FlagValues, data: bytes) -> None:
    """Writes --output_dir and --save_npz.

    Args:
      values: of the flags.
      data: the content of --input.
    """
    use_threads(values.threads)
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    with progress_bar("Decoding") as bar:
        codec = Codec(
            source.load_model(), progress=lambda done: bar.update(done.num_images)
        )
        if values.preview:
            decoded = codec.preview(data)
        else:
            decoded = codec.decode(data, salvage=values.salvage)
    _say_what_is_lost(decoded)
    if decoded.labels is not None and not values.save_npz:
        logging.warning("The file has labels too, which --save_npz would write.")
    if values.output_dir:
        names = _file_names(decoded)
        with new_directory(values.output_dir) as directory:
            for name, image in zip(names, decoded.images, strict=True):
                path = os.path.join(directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                write_png(path, image)
    if values.save_npz:
        write_npz(values.save_npz, _arrays(decoded))
    kind = "previews, f(z)" if values.preview else "images"
    print(f"{values.output_dir or values.save_npz}: {len(decoded.images)} {kind}")


def _say_what_is_lost(decoded: Decoded) -> None:
    lost = decoded.lost
    if not len(lost):
        return
    shown = ", ".join(str(number) for number in lost[:_MOST_SHOWN])
    more = ", ..." if len(lost) > _MOST_SHOWN else ""
    logging.warning(
        "Lost, because their checksum is another: %d of %d pictures, number %s%s "
        "(counted from 0).",
        len(lost),
        len(lost) + len(decoded.numbers),
        shown,
        more,
    )


def _arrays(decoded: Decoded) -> dict[str, np.ndarray]:
    """Returns the images by name: all of them, or each, if they differ in size."""
    images = decoded.images
    if isinstance(images, np.ndarray):
        arrays = {"images": images}
    else:
        digits = len(str(decoded.numbers[-1]))
        arrays = {
            f"image_{number:0{digits}d}": image
            for number, image in zip(decoded.numbers, images, strict=True)
        }
    if len(decoded.lost):
        arrays["numbers"] = decoded.numbers
    if decoded.labels is not None:
        arrays["labels"] = decoded.labels
    if decoded.names is not None:
        arrays["names"] = np.array(list(decoded.names))
    return arrays


def _file_names(decoded: Decoded) -> list[str]:
    """Returns a path below the directory for every image, ending in .png.

    Raises:
      InputError: a name leads out of the directory, or cannot be a file's.
    """
    digits = len(str(len(decoded.numbers) + len(decoded.lost) - 1))
    if decoded.names is None:
        return [f"{number:0{digits}d}.png" for number in decoded.numbers]
    paths = []
    for name in decoded.names:
        path = name if name.lower().endswith(".png") else f"{name}.png"
        parts = path.replace("\\", "/").split("/")
        if os.path.isabs(path) or ".." in parts or "" in parts:
            raise InputError(
                "`input` must have names that stay within --output_dir; got "
                f"{path!r}. --save_npz takes any."
            )
        paths.append(os.path.normpath(path))
    cut = [_cut(path) for path in paths]
    if _collide(cut):
        logging.warning(
            "Some names would be the same, or a file and a directory, so all files are "
            "numbered."
        )
        paths = [
            f"{number:0{digits}d}_{path.replace('/', '_')}"
            for number, path in zip(decoded.numbers, paths, strict=True)
        ]
        cut = [_cut(path) for path in paths]
    count = sum(a != b for a, b in zip(paths, cut, strict=True))
    if count:
        logging.warning(
            "Names that a file cannot have, of more than %d bytes, are cut; there are "
            "%d.",
            _LONGEST_NAME,
            count,
        )
    return cut


def _collide(paths: Sequence[str]) -> bool:
    """Whether two paths are one file, or one is a directory of another.

    Also on a file system that takes capital letters for small ones.
    """
    folded = [path.casefold() for path in paths]
    directories = set()
    for path in folded:
        while path := os.path.dirname(path):
            if path in directories:
                break
            directories.add(path)
    return len(set(folded)) < len(folded) or not directories.isdisjoint(folded)


def _cut(path: str) -> str:
    """Cuts each name in a path to the length that a file system takes."""
    *directories, name = path.split("/")
    stem, ending = os.path.splitext(name)
    stem = _first_bytes(stem, _LONGEST_NAME - len(ending)).rstrip(".")
    return (
        "/".join([*(_first_bytes(d, _LONGEST_NAME) for d in directories), stem])
        + ending
    )


def _first_bytes(name: str, count: int) -> str:
    """Returns the first characters of a name, as many as fit in `count` bytes."""
    name = name[:count]
    while len(name.encode("utf-8", "replace")) > count:
        name = name[:-1]
    return name
