"""Decodes a file of bin/compress.py: the same images, bit for bit.

bin/decompress.py --run_dir=runs/small/joint --input=pictures.agave --output_dir=out

--preview writes f(z) instead, from the first bytes of each stream, without the
PixelCNN++.
"""

import os
from collections.abc import Sequence

import numpy as np
import tqdm
from absl import flags, logging

from agave_tf.codec.codec import Codec
from agave_tf.commands.devices import define_threads, use_threads
from agave_tf.commands.flags import flag_group
from agave_tf.commands.paths import check_optional_file, define_path, define_run_dir
from agave_tf.commands.running import run_command
from agave_tf.errors import InputError
from agave_tf.pictures.grid import write_png
from agave_tf.runs.open_run import open_run
from agave_tf.whole_file import check_new_directory, new_directory, write_npz

# The longest name of a file on Linux, in bytes. A JPEG's may leave no room for .png.
_LONGEST_NAME = 255


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model the file was made with.", values)
    with flag_group("Files", values, main=True):
        define_path("input", None, "File to decode.", values, required=True)
        define_path(
            "output_dir",
            "",
            "Directory to write a PNG of every image to; it must not exist yet. Empty: "
            "none.",
            values,
        )
        define_path(
            "save_npz",
            "",
            "File ending in .npz to write the images to, with labels and names if the "
            "file has them; images of several sizes get an array each. Empty: none.",
            values,
        )
        flags.DEFINE_boolean(
            "preview",
            False,
            "Write f(z) instead of every image, decoded from its latents alone.",
            flag_values=values,
        )


def run(values: flags.FlagValues) -> None:
    """Writes --output_dir and --save_npz."""
    if not values.output_dir and not values.save_npz:
        raise InputError("`output_dir` or `save_npz` must be given; got neither.")
    if values.output_dir:
        check_new_directory("output_dir", values.output_dir)
    check_optional_file("save_npz", values.save_npz, ".npz")
    try:
        with open(values.input, "rb") as file:
            data = file.read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            f"`input` must be a file; there is none at {values.input}."
        ) from error
    use_threads(values.threads)
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    with tqdm.tqdm(desc="Decoding", unit="image", disable=None) as bar:
        codec = Codec(
            source.load_model(), progress=lambda done: bar.update(done.num_images)
        )
        decoded = (codec.preview if values.preview else codec.decode)(data)
    if decoded.labels is not None and not values.save_npz:
        logging.warning("The file has labels too, which --save_npz would write.")
    if values.output_dir:
        names = _file_names(decoded.names, len(decoded.images))
        with new_directory(values.output_dir) as directory:
            for name, image in zip(names, decoded.images, strict=True):
                path = os.path.join(directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                write_png(path, image)
    if values.save_npz:
        arrays = _arrays(decoded.images)
        if decoded.labels is not None:
            arrays["labels"] = decoded.labels
        if decoded.names is not None:
            arrays["names"] = np.array(list(decoded.names))
        write_npz(values.save_npz, arrays)
    kind = "previews, f(z)" if values.preview else "images"
    print(f"{values.output_dir or values.save_npz}: {len(decoded.images)} {kind}")


def _arrays(images: np.ndarray | list[np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the images by name: all of them, or each, if they differ in size."""
    if isinstance(images, np.ndarray):
        return {"images": images}
    digits = len(str(len(images) - 1))
    return {f"image_{i:0{digits}d}": image for i, image in enumerate(images)}


def _file_names(names: Sequence[str] | None, count: int) -> list[str]:
    """Returns a path below the directory for every image, ending in .png.

    Raises:
      InputError: a name leads out of the directory.
    """
    if names is None:
        digits = len(str(count - 1))
        return [f"{i:0{digits}d}.png" for i in range(count)]
    paths = [n if n.lower().endswith(".png") else f"{n}.png" for n in names]
    for path in paths:
        parts = path.replace("\\", "/").split("/")
        if os.path.isabs(path) or ".." in parts or "" in parts:
            raise InputError(
                "`input` must have names that stay within --output_dir; got "
                f"{path!r}. --save_npz takes any."
            )
    if len(set(map(_cut, paths))) < len(paths):
        logging.warning("Some names would be the same, so all files are numbered.")
        paths = [f"{i:05d}_{path.replace('/', '_')}" for i, path in enumerate(paths)]
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


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
