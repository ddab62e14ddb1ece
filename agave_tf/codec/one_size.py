"""Images of one size to streams and back, bit for bit."""

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.codec.candidates import Candidates
from agave_tf.codec.entropy_coder import OpenStack
from agave_tf.codec.lanes import CodedImages, checksums_of_lanes
from agave_tf.codec.latent_choice import LatentChoice
from agave_tf.codec.latent_code import CountRange, LatentCode, pop_code
from agave_tf.codec.latents import Latents
from agave_tf.codec.packing import DAMAGED, SALVAGE
from agave_tf.codec.pixels import Intervals, intervals, pop_images
from agave_tf.codec.threads import num_threads, thread_map
from agave_tf.data.batches import padded_batches
from agave_tf.errors import InputError
from agave_tf.layers.exact_weights import computing_exactly
from agave_tf.models.padding import cut
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels
from agave_tf.settings.coding import CodecSettings

# Pixels at a time, or one image of any size. A batch of the parallel pass stays in the
# cache; one of the sampler pays for its many small steps.
_ENCODED_PIXELS, _DECODED_PIXELS = 2**14, 2**16
_MOST_LANES_AT_A_TIME = 64


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
      exact: its `exact_weights`.
      region_shapes: as `Latents` takes them; those of the model's own size.
      candidates: of the encoder.
      settings: the settings of the encoder.
      progress: called after every batch.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        exact: Sequence[tf.Tensor],
        region_shapes: Sequence[tuple[int, int, int]],
        candidates: Candidates,
        settings: CodecSettings,
        progress: Callable[[Progress], object] = no_progress,
    ):
        self.model, self._exact = model, exact
        self._progress = progress
        self._latents: Latents | None = None
        if isinstance(model, LatentVariableModel):
            self._latents = Latents(model, region_shapes)
            self._choice = LatentChoice(self._latents, candidates, settings.block_bits)
        height, width, _ = model.image_shape
        self._num_encoded = max(1, _ENCODED_PIXELS // (height * width))
        most = max(1, _DECODED_PIXELS // (height * width))
        self._num_decoded = min(most, _MOST_LANES_AT_A_TIME)
        # TensorFlow and XLA compile once, in the thread that comes first.
        self._compiling = threading.Lock()
        self._compiled: set[str] = set()

    @property
    def num_regions(self) -> list[int]:
        """The number of regions of every level."""
        return self._latents.num_regions if self._latents else []

    def encode(self, images: np.ndarray, label: np.ndarray | None) -> CodedImages:
        """Chooses z of every image, and finds what its pixels cost then.

        Args:
          images: uint8 [N,H,W,C], of the model's shape; N is at least 1.
          label: int32 [N], for a class-conditional model.
        """

        def encode_batch(batch: tuple) -> tuple[CodedImages, int]:
            rows, num_valid, _ = batch
            with self._one_compiles("encode"):
                codes = self._chosen(images[rows])
                with self._computing_exactly():
                    f_z = self._f_z(codes)
                    own = _some(label, rows)
                    found = intervals(self.model, images[rows], f_z, own)
            return CodedImages(codes, found), num_valid

        size = min(self._num_encoded, -(-len(images) // num_threads()))
        batches = padded_batches(len(images), size, shrinks=False)
        codes: list[LatentCode] = []
        parts: list[Intervals] = []
        with thread_map() as in_threads:
            for coded, num_valid in in_threads(encode_batch, batches):
                codes += coded.codes[:num_valid]
                parts.append(Intervals(*(x[:num_valid] for x in coded.intervals)))
                self._progress(Progress(num_valid, float(parts[-1].bits.sum())))
        found = Intervals(*map(np.concatenate, zip(*parts, strict=True)))
        return CodedImages(codes, found)

    def pop_codes(
        self,
        stacks: Sequence[OpenStack],
        num_images: int,
        ranges: list[CountRange],
        index_bits: int,
        salvages: bool,
    ) -> list[LatentCode]:
        """Pops the latents of N images from the lanes.

        Args:
          stacks: the lanes.
          num_images: N.
          ranges: of the counts of every level.
          index_bits: bits of the number of a candidate.
          salvages: whether images of streams that end before may have any latents.

        Raises:
          InputError: a stream ends before, and `salvages` is not set.
        """
        if not any(most for _, most in ranges):
            nothing: LatentCode = [[[]] * regions for regions in self.num_regions]
            return [nothing] * num_images
        least = [[[0] * low] * n for (low, _), n in zip(ranges, self.num_regions)]
        codes: list[LatentCode] = []
        for number in range(num_images):
            stack = stacks[number % len(stacks)]
            try:
                codes.append(pop_code(stack, ranges, self.num_regions, index_bits))
            except InputError:
                if not salvages:
                    raise
                codes.append(least)
        return codes

    def decode(
        self,
        stacks: Sequence[OpenStack],
        codes: Sequence[LatentCode],
        label: np.ndarray | None,
        salvages: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decodes the pixels of N images.

        Args:
          stacks: the L lanes, without latents.
          codes: the latents.
          label: int32 [N], for a class-conditional model.
          salvages: whether to go on where a lane is damaged.

        Returns:
          The images uint8 [N,H,W,C], and whether they are intact, bool [N]. If it is
          known before the last one that none is, the images are empty, [N,0].

        Raises:
          InputError: a lane is damaged, and `salvages` is not set.
        """
        num_lanes, num_images = len(stacks), len(codes)
        width = min(self._num_decoded, -(-num_lanes // num_threads()))
        # By batches, because a forged header may name more images than will come.
        found: list[tuple[np.ndarray, np.ndarray]] = []
        chunks = [
            np.arange(first, min(first + width, num_lanes))
            for first in range(0, num_lanes, width)
        ]

        def decode_some(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return numbers, self._popped(stacks, codes, label, numbers, width)

        # The next image of every lane, then the one after it: so an end that comes too
        # early, or an interrupt, is noticed after a batch.
        with thread_map() as in_threads:
            for first in range(0, num_images, num_lanes):
                if all(stack.is_overdrawn for stack in stacks):
                    return np.zeros([num_images, 0], np.uint8), np.zeros(
                        num_images, bool
                    )
                rows = [first + lanes[first + lanes < num_images] for lanes in chunks]
                rows = [numbers for numbers in rows if len(numbers)]
                for numbers, decoded in in_threads(decode_some, rows):
                    found.append((numbers, decoded))
                    self._progress(Progress(len(numbers), 0.0))
                if not salvages and any(stack.is_overdrawn for stack in stacks):
                    raise InputError(f"{DAMAGED}: a stream ends before its last image.")
        images = np.zeros([num_images, *self.model.image_shape], np.uint8)
        for numbers, decoded in found:
            images[numbers] = decoded
        return images, self._are_intact(stacks, codes, images, salvages)

    def _popped(
        self,
        stacks: Sequence[OpenStack],
        codes: Sequence[LatentCode],
        label: np.ndarray | None,
        numbers: np.ndarray,
        width: int,
    ) -> np.ndarray:
        """Pops images from their lanes, uint8 [n,H,W,C].

        Args:
          stacks, codes, label: as `decode` takes them.
          numbers: int [n], of images in lanes that differ.
          width: images that the sampler is compiled for, at least n.
        """
        here = [stacks[number % len(stacks)] for number in numbers]
        # What fills up the batch reads the first one's words.
        here += [copy.copy(here[0]) for _ in range(width - len(numbers))]
        own = np.append(numbers, np.full(width - len(numbers), numbers[0]))
        with self._one_compiles("decode"), self._computing_exactly():
            f_z = self._f_z([codes[number] for number in own])
            images = pop_images(self.model, here, f_z, _some(label, own))
        return images[: len(numbers)]

    def _are_intact(
        self,
        stacks: Sequence[OpenStack],
        codes: Sequence[LatentCode],
        images: np.ndarray,
        salvages: bool,
    ) -> np.ndarray:
        """Whether the checksums of the images' lanes are right, bool [N].

        Raises:
          InputError: as `decode`.
        """
        checksums = checksums_of_lanes(images, codes, len(stacks))
        is_right = np.array(
            [
                stack.has_ended_with(checksum)
                for stack, checksum in zip(stacks, checksums, strict=True)
            ]
        )
        is_intact = is_right[np.arange(len(images)) % len(stacks)]
        if not is_intact.all() and not salvages:
            raise InputError(
                f"{DAMAGED}: the checksum of {np.sum(~is_intact)} of {len(images)} "
                f"images is another. {SALVAGE}"
            )
        return is_intact

    def previews(self, codes: Sequence[LatentCode]) -> np.ndarray:
        """f(z) of codes, uint8 [N,h,w,c]."""
        size, parts = self.model.auxiliary_shape[:2], []
        with self._computing_exactly():
            for rows, num_valid, _ in padded_batches(len(codes), self._num_encoded):
                f_z = self._f_z([codes[row] for row in rows])[:num_valid]
                parts.append(cut(to_levels(f_z), size))
        return np.concatenate(parts)

    def _chosen(self, images: np.ndarray) -> list[LatentCode]:
        return self._choice.choose(images) if self._latents else [[]] * len(images)

    def _f_z(self, codes: Sequence[LatentCode]) -> tf.Tensor:
        if self._latents is None:
            return tf.zeros([len(codes), *self.model.f_z_shape], tf.float64)
        return self._latents.f_z(codes)

    def _computing_exactly(self) -> contextlib.AbstractContextManager[None]:
        return computing_exactly(self.model, self._exact)

    @contextlib.contextmanager
    def _one_compiles(self, direction: str) -> Iterator[None]:
        if direction in self._compiled:
            yield
            return
        with self._compiling:
            yield
        self._compiled.add(direction)


def _some(label: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if label is None else label[rows]
