"""Images of one size to the bytes of an archive and back, bit for bit."""

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
from agave_tf.errors import InputError
from agave_tf.models.padding import cut
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels
from agave_tf.settings.coding import CodecSettings


class Decoded(NamedTuple):
    """The images of a file."""

    # uint8 [N,H,W,C]; a list of [H,W,C] if they differ in size or channels.
    images: np.ndarray | list[np.ndarray]
    labels: np.ndarray | None  # int32 [N]
    names: Sequence[str] | None


class Kept(NamedTuple):
    """What an archive holds beside the images."""

    names: Sequence[str] | None = None
    labels: np.ndarray | None = None  # int32 [N]


class Encoded(NamedTuple):
    """An archive of images, and what it took for each of them."""

    content: bytes
    bits: np.ndarray  # float64 [N], of its pixels and latents


class Progress(NamedTuple):
    """The progress of an encoder or a decoder since the last call."""

    num_images: int
    bits: float  # that their pixels take; a decoder gives 0


def no_progress(_: Progress) -> None:
    """Shows nothing."""


class SizedCodec:
    """Codes images of the size of a model.

    Args:
      model: the model.
      settings: the settings of the encoder.
      region_shapes: as `Latents` takes them; those of the model's own size.
      weights: the fingerprint of the weights.
      progress: called after every batch.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        settings: CodecSettings,
        region_shapes: Sequence[tuple[int, int, int]],
        weights: bytes,
        progress: Callable[[Progress], object] = no_progress,
    ):
        self.model, self.settings = model, settings
        self._weights, self._progress = weights, progress
        self._region_shapes = region_shapes
        self._latents: dict[tuple[int, int], Latents | NoLatents] = {}

    def encode(
        self,
        images: np.ndarray,
        label: np.ndarray | None = None,
        kept: Kept | None = None,
    ) -> Encoded:
        """Codes images as the bytes of an archive, from which `decode` gives them back.

        Args:
          images: uint8 [N,H,W,C], of the model's shape; N is at least 1.
          label: int32 [N], for a class-conditional model.
          kept: what the archive holds beside the images.
        """
        num_images = len(images)
        num_lanes = min(self.settings.lanes, num_images)
        pixels = Pixels(self.model, num_lanes)
        batches, codes = lane_batches(num_images, num_lanes), []
        latents = self._latents_of(num_lanes, self.settings.index_bits)
        for rows, is_on in batches:
            codes.append(latents.choose(images[rows]).filling_up(is_on))
        stacks = Stacks(lane_checksums(images, codes, num_lanes))
        bits = np.zeros(num_images)
        # A stream is a stack: the last batch is pushed first.
        for number, (rows, is_on) in reversed([*enumerate(batches)]):
            f_z = latents.f_z(codes[number])
            start, size = pixels.intervals(images[rows], f_z, _some(label, rows))
            for symbol in reversed(range(pixels.num_symbols)):
                stacks.push(Interval(start[:, symbol], size[:, symbol]), is_on)
            bits[rows[is_on]] = (PRECISION - np.log2(size[is_on])).sum(axis=1)
            in_all = float(bits[rows[is_on]].sum())
            self._progress(Progress(int(is_on.sum()), in_all))
        ranges = ranges_of(codes)
        index_bits = self.settings.index_bits if ranges else 0
        for code, (rows, is_on) in zip(codes, batches):
            num_blocks = sum(count.sum(axis=1) for count in code.counts)
            num_blocks = np.broadcast_to(num_blocks, len(rows))
            bits[rows[is_on]] += index_bits * num_blocks[is_on]
        for code, (_, is_on) in zip(codes[::-1], batches[::-1]):
            for symbol, has in reversed([*symbols_of(code, ranges, index_bits)]):
                stacks.push(symbol, is_on & has)
        archive = Archive(
            self._weights,
            this_environment(),
            num_images,
            index_bits,
            ranges,
            *(kept or Kept()),
            stacks.streams(),
        )
        return Encoded(archive.to_bytes(), bits)

    def decode(self, data: bytes, label: np.ndarray | None = None) -> Decoded:
        """Decodes the images of an archive, bit for bit.

        Args:
          data: the archive.
          label: int32 [N], for a class-conditional model, if the archive keeps none.

        Raises:
          InputError: the file is damaged, of another format, or was made with another
            model or in another environment; the message names both sides.
        """
        archive = self._open(data)
        num_images, num_lanes = archive.num_images, len(archive.streams)
        if self.model.num_classes and archive.labels is not None:
            label = archive.labels
        pixels = Pixels(self.model, num_lanes)
        stacks = OpenStacks(archive.streams, pixels.room)
        images = np.zeros([num_images, *self.model.image_shape], np.uint8)
        codes = self._pop_codes(stacks, archive)
        latents = self._latents_of(num_lanes, archive.index_bits)
        for number, (rows, is_on) in enumerate(lane_batches(num_images, num_lanes)):
            f_z = latents.f_z(codes[number])
            decoded = pixels.pop(stacks, f_z, _some(label, rows), is_on)
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
          InputError: as `decode`.
        """
        archive = self._open(data)
        codes = self._pop_codes(OpenStacks(archive.streams, room=1), archive)
        latents = self._latents_of(len(archive.streams), archive.index_bits)
        size = self.model.auxiliary_shape[:2]
        previews = [cut(to_levels(latents.f_z(code)), size) for code in codes]
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
        num_lanes, index_bits = len(archive.streams), archive.index_bits
        num_regions = self._latents_of(num_lanes, index_bits).num_regions
        return [
            pop_code(stacks, archive.ranges, num_regions, index_bits, is_on)
            for _, is_on in lane_batches(archive.num_images, num_lanes)
        ]

    def _latents_of(self, num_lanes: int, index_bits: int) -> Latents | NoLatents:
        """The coder of the latents of batches with one image in each lane."""
        if not isinstance(self.model, LatentVariableModel):
            return NoLatents(num_lanes)
        key = num_lanes, index_bits
        if key not in self._latents:
            self._latents[key] = Latents(
                self.model,
                self._region_shapes,
                num_lanes,
                self.settings.block_bits,
                index_bits,
            )
        return self._latents[key]


def _some(label: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if label is None else label[rows]
