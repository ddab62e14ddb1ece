"""Images to bytes and back, bit for bit, with a model as the code."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.archive import Archive, archive_of
from agave_tf.codec.entropy_coder import PRECISION, Interval, OpenStacks, Stacks
from agave_tf.codec.environment import this_environment
from agave_tf.codec.latent_code import (
    LatentCode,
    lane_batches,
    lane_checksums,
    pop_code,
    ranges_of,
    symbols_of,
)
from agave_tf.codec.latents import Latents, NoLatents
from agave_tf.codec.pixels import Pixels
from agave_tf.data.image_set import Images
from agave_tf.data.labels import class_numbers
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels
from agave_tf.settings.coding import CodecSettings
from agave_tf.weights.named_weights import fingerprint, named_weights


class Decoded(NamedTuple):
    """The images of a file."""

    images: np.ndarray  # uint8 [N,H,W,C]
    labels: np.ndarray | None  # int32 [N]
    names: Sequence[str] | None


class Progress(NamedTuple):
    """The progress of an encoder or a decoder since the last call."""

    num_images: int
    bits: float  # that their pixels take; a decoder gives 0


def no_progress(_: Progress) -> None:
    """Shows nothing."""


class Codec:
    """Codes images with a model that has a PixelCNN++, alone or with a VAE.

    Files decode with the same weights, in the same version of agave_tf and TensorFlow,
    on a CPU with the same instructions, with as many threads: what differs is named.
    The process sets its threads before it uses TensorFlow otherwise, to one for files
    that decode on machines with other numbers of cores:

        tf.config.threading.set_intra_op_parallelism_threads(1)

    Args:
      model: the model.
      settings: the settings of the encoder; None: the defaults.
      progress: called after every batch.

    Raises:
      InputError: the model is a VAE alone.
    """

    def __init__(
        self,
        model: ImageModel,
        settings: CodecSettings | None = None,
        progress: Callable[[Progress], object] = no_progress,
    ):
        if not isinstance(model, AutoregressiveModel):
            raise InputError(
                "`model` must have a PixelCNN++ to code images; a VAE alone has the "
                "likelihood of y, which is not the image."
            )
        self.model: AutoregressiveModel = model
        self._progress = progress
        self.settings = settings or CodecSettings()
        self._weights = bytes.fromhex(
            fingerprint({n: w.numpy() for n, w in named_weights(model).items()})
        )
        self._latents: dict[tuple[int, int], Latents | NoLatents] = {}

    def encode(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        names: Sequence[str] | None = None,
    ) -> bytes:
        """Codes images as the bytes of a file, from which `decode` gives them back.

        Args:
          images: uint8 [N,H,W,C], of the model's shape; N is at least 1.
          labels: [N] whole numbers from -1, which stands for no label, below 2**31;
            kept; a class-conditional model codes with them.
          names: a name of each image, kept in the file.

        Raises:
          InputError: images of another type or shape; labels or names of another
            number, labels that are no such numbers, or that the model must have and
            that are missing.
        """
        labels = self._checked_labels(images, labels, names)
        num_images = len(images)
        num_lanes = min(self.settings.lanes, num_images)
        pixels = Pixels(self.model, num_lanes)
        batches, codes = lane_batches(num_images, num_lanes), []
        latents = self._latents_of(num_lanes, self.settings.index_bits)
        for rows, is_on in batches:
            codes.append(latents.choose(images[rows]).filling_up(is_on))
        stacks = Stacks(lane_checksums(images, codes, num_lanes))
        # A stream is a stack: the last batch is pushed first.
        for number, (rows, is_on) in reversed([*enumerate(batches)]):
            f_z = latents.f_z(codes[number])
            label = self._label(labels, rows)
            start, size = pixels.intervals(images[rows], f_z, label)
            for symbol in reversed(range(pixels.num_symbols)):
                stacks.push(Interval(start[:, symbol], size[:, symbol]), is_on)
            bits = PRECISION - np.log2(size[is_on])
            self._progress(Progress(int(is_on.sum()), float(bits.sum())))
        ranges = ranges_of(codes)
        index_bits = self.settings.index_bits if ranges else 0
        for code, (_, is_on) in zip(codes[::-1], batches[::-1]):
            for symbol, has in reversed([*symbols_of(code, ranges, index_bits)]):
                stacks.push(symbol, is_on & has)
        return Archive(
            self._weights,
            this_environment(),
            num_images,
            index_bits,
            ranges,
            names,
            labels,
            stacks.streams(),
        ).to_bytes()

    def decode(self, data: bytes) -> Decoded:
        """Decodes the images of a file, bit for bit.

        Raises:
          InputError: the file is damaged, of another format, or was made with another
            model or in another environment; the message names both sides.
        """
        archive = self._open(data)
        num_images, num_lanes = archive.num_images, len(archive.streams)
        pixels = Pixels(self.model, num_lanes)
        stacks = OpenStacks(archive.streams, pixels.room)
        images = np.zeros([num_images, *self.model.image_shape], np.uint8)
        codes = self._pop_codes(stacks, archive)
        latents = self._latents_of(num_lanes, archive.index_bits)
        for number, (rows, is_on) in enumerate(lane_batches(num_images, num_lanes)):
            f_z = latents.f_z(codes[number])
            label = self._label(archive.labels, rows)
            decoded = pixels.pop(stacks, f_z, label, is_on)
            images[rows[is_on]] = decoded[is_on]
            self._progress(Progress(int(is_on.sum()), 0.0))
        if not (
            stacks.is_at_end().all()
            and (stacks.checksums == lane_checksums(images, codes, num_lanes)).all()
        ):
            raise InputError(
                "The file of coded images is damaged, or its machine computes other "
                "last bits than this one: the checksum of its images is another."
            )
        return Decoded(images, archive.labels, archive.names)

    def preview(self, data: bytes) -> Decoded:
        """Decodes f(z) of every image, uint8 [N,h,w,c], from the first part of streams.

        Raises:
          InputError: as `decode`; or the model has no VAE.
        """
        if not isinstance(self.model, LatentVariableModel):
            raise InputError("`preview` must have a model with a VAE; got none.")
        archive = self._open(data)
        codes = self._pop_codes(OpenStacks(archive.streams, room=1), archive)
        latents = self._latents_of(len(archive.streams), archive.index_bits)
        previews = [to_levels(latents.f_z(code)) for code in codes]
        images = np.concatenate(previews)[: archive.num_images]
        return Decoded(images, archive.labels, archive.names)

    def _open(self, data: bytes) -> Archive:
        archive = archive_of(data, len(self.model.latent_shapes))
        ours = self._weights[: len(archive.weights)]
        if archive.weights != ours:
            raise InputError(
                "The file must be decoded with the model it was made with, of weights "
                f"{archive.weights.hex()}...; got a model of weights {ours.hex()}...."
            )
        if bool(archive.index_bits) != bool(self.model.latent_shapes):
            raise InputError("The file of coded images is damaged: it has no latents.")
        if found := this_environment().differences(archive.environment):
            raise InputError(
                f"The file must be decoded where it was made: {'; '.join(found)}."
            )
        return archive

    def _pop_codes(self, stacks: OpenStacks, archive: Archive) -> list[LatentCode]:
        """Pops the codes of all batches."""
        return [
            pop_code(stacks, archive.ranges, archive.index_bits, is_on)
            for _, is_on in lane_batches(archive.num_images, len(archive.streams))
        ]

    def _latents_of(self, num_lanes: int, index_bits: int) -> Latents | NoLatents:
        """The coder of the latents of batches with one image in each lane."""
        if not isinstance(self.model, LatentVariableModel):
            return NoLatents(num_lanes)
        key = num_lanes, index_bits
        if key not in self._latents:
            self._latents[key] = Latents(
                self.model, num_lanes, self.settings.block_bits, index_bits
            )
        return self._latents[key]

    def _label(self, labels: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
        return labels[rows] if labels is not None and self.model.num_classes else None

    def _checked_labels(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        names: Sequence[str] | None,
    ) -> np.ndarray | None:
        shape = self.model.image_shape
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            raise InputError(
                f"`images` must be uint8 {['N', *shape]}, of the model's size and "
                f"channels, N at least 1; got {images.dtype} {list(images.shape)}."
            )
        for name, values in (("labels", labels), ("names", names)):
            if values is not None and len(values) != len(images):
                raise InputError(
                    f"`{name}` must be one for each of {len(images)} images; got "
                    f"{len(values)}."
                )
        if names is not None and any("\0" in name for name in names):
            raise InputError("`names` must not have the character 0.")
        if labels is not None:
            labels = class_numbers(np.asarray(labels), "`labels` must be", "got", -1)
        Images(images, labels).check_labels(self.model.num_classes)
        return labels
