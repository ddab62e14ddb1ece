"""The work of bin/compress.py: codes images, checks the file and writes it."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from absl import flags, logging

from agave_tf.codec.codec import Codec
from agave_tf.codec.given_pictures import Pictures
from agave_tf.codec.one_size import Progress
from agave_tf.codec.read_file import num_stored
from agave_tf.codec.threads import use_threads
from agave_tf.commands.flags import with_flags
from agave_tf.data.exact_pictures import read_exact_pictures
from agave_tf.data.image_set import Images
from agave_tf.data.mixed_images import MixedImages
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.models.image_model import ImageModel
from agave_tf.progress_bar import progress_bar
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.coding import CodecSettings
from agave_tf.whole_file import writing


def run(values: flags.FlagValues, settings: CodecSettings) -> None:
    """Writes --output.

    Args:
      values: of the flags.
      settings: those that they describe.
    """
    use_threads(values.threads)
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    model = source.load_model()
    Codec(model, settings)  # Refuses a model that cannot code.
    if values.files and source.num_classes:
        raise InputError(
            "`files` must not be given for a class-conditional model, which codes with "
            "labels, because picture files have none; --dataset has images with labels."
        )
    pictures = _pictures(source, values)
    num_dims = sum(image.size for image in pictures.each())
    bound = _bound(model, pictures, settings) / num_dims if values.bound else None
    note = f", bound {bound:.4f}" if bound else ""
    with _Bar("Encoding", len(pictures.images), num_dims, note) as bar:
        codec = Codec(model, settings, bar.show)
        data = codec.encode(pictures.images, pictures.labels, pictures.names)
    if values.verify:
        with _Bar("Verifying", len(pictures.images), num_dims) as bar:
            decoded = Codec(model, settings, bar.show).decode(data)
        if not (
            len(decoded.images) == len(pictures.images)
            and all(map(np.array_equal, decoded.images, pictures.each()))
            and np.array_equal(np.asarray(decoded.labels), np.asarray(pictures.labels))
            and decoded.names == pictures.names
        ):
            raise AssertionError("The file decodes to something else; none is written.")
    with writing(values.output) as file:
        file.write(data)
    stored = num_stored(data, model.image_shape, len(model.latent_shapes))
    _print(values.output, data, pictures, num_dims, bound, stored)


class _Pictures(NamedTuple):
    """What is to be coded."""

    images: Pictures
    labels: np.ndarray | None = None
    names: list[str] | None = None

    def each(self) -> Iterator[np.ndarray]:
        """The pictures, uint8 [H,W,C]."""
        return (self.images[place] for place in range(len(self.images)))


def _pictures(source: RunDirectory, values: flags.FlagValues) -> _Pictures:
    if values.files:
        named = read_exact_pictures(values.files)
        for sentence in named.notes:
            logging.warning("%s", sentence)
        return _Pictures(named.images, None, named.names)
    data = with_flags(source.config, "data", values).data
    loaded = load_run_data(source, data, [values.split])
    images = loaded.part(values.split)
    loaded.check_labels(source.num_classes)
    images.check_labels(source.num_classes)
    images = images.take(images.choose(values.max_images))
    one_size = images.shape[0] is not None
    each = [images.image[place] for place in range(len(images.image))]
    return _Pictures(images.array if one_size else each, images.label)


def _bound(model: ImageModel, pictures: _Pictures, settings: CodecSettings) -> float:
    """Returns the bits of all pictures by the ELBO, with one draw of z.

    Gray pictures count as the RGB pictures that show them, and RGB ones of a model of
    gray images as their planes.
    """
    channels, own, labels = model.image_shape[-1], [], []
    for place, image in enumerate(pictures.each()):
        if channels > image.shape[-1]:
            image = np.repeat(image, channels, axis=-1)
        planes = np.split(image, image.shape[-1] // channels, axis=-1)
        own += planes
        labels += [place] * len(planes)
    label = None if pictures.labels is None else np.asarray(pictures.labels)[labels]
    images = Images(MixedImages.of(own).simplest(), label)
    batch_size = min(settings.lanes, len(own))
    scores = Evaluator(model, batch_size).scores(images, 1, progress="Bound")
    return -float(scores.log_likelihood.astype(np.float64).sum()) / math.log(2)


class _Bar:
    """A progress bar with the bits/dim so far, and a note after them."""

    def __init__(self, caption: str, count: int, num_dims: int, note: str = ""):
        self._num_dims, self._note = num_dims / count, note
        self._num_images, self._bits = 0, 0.0
        self._bar = progress_bar(caption, count)

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """Shows how far the work is."""
        self._num_images += progress.num_images
        self._bits += progress.bits
        if self._bits:
            so_far = self._bits / self._num_images / self._num_dims
            self._bar.set_postfix_str(f"{so_far:.4f} bits/dim{self._note}", False)
        self._bar.update(progress.num_images)


def _print(
    path: str,
    data: bytes,
    pictures: _Pictures,
    num_dims: int,
    bound: float | None,
    stored: int,
) -> None:
    count = len(pictures.images)
    bits = 8 * len(data)
    print(f"{path}: {count} images, {len(data)} bytes")
    print(f"  file   {bits / num_dims:.4f} bits/dim, {bits / count:.1f} bits an image")
    if bound is not None:
        over = 100 * (bits / num_dims / bound - 1)
        print(f"  bound  {bound:.4f} bits/dim (ELBO); the file is {over:.2f} % larger")
    if stored:
        print(f"  {stored} of them are stored as they are: the model makes them larger")
