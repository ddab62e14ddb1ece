"""Codes the pixels of images: the cached sampler, whose draws come from a stream.

One compiled program encodes and decodes, so both compute the same likelihoods, bit for
bit. It pops the levels of an image from its stream, or takes them from the image; in
either case it gives the interval of every level, from which the encoder makes the
stream.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from agave_tf.codec.entropy_coder import (
    LEAST_STATE,
    PRECISION,
    TOTAL,
    WORD_BITS,
    Interval,
    OpenStacks,
)
from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from agave_tf.distributions.logistic_mixture import LogisticMixture
from agave_tf.layers.causal_memory import with_columns
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.pixel_scale import to_levels, to_unit_range
from agave_tf.sampling.cached import pixels_in_order
from agave_tf.weights.library_internals import optimization_barrier
from agave_tf.weights.skeletons import function_of_weights

NUM_LEVELS = 256
# Slots that every level has whatever its mass: two, so that it keeps one where rounding
# makes the mass below it fall by a slot from one level to the next.
_SLOTS_OF_LEVEL = 2
# Levels are searched 16 at a time, twice.
_WAYS = 16


class CodedPixels(tf.experimental.ExtensionType):
    """A batch of images as the compiled program takes it."""

    words: tf.Tensor  # int64 [B,M], the words of every lane's stream from here on
    state: tf.Tensor  # int64 [B], of every lane's stack
    level: tf.Tensor  # int32 [B,H*W,C], of the images to encode; 0 to decode
    encodes: tf.Tensor  # bool []


class PixelCode:
    """Gives `pixels_in_order` the pixels of a stream, or those to encode."""

    def __init__(self, coded: CodedPixels):
        self._coded = coded

    @property
    def batch_size(self) -> int:
        """Images at a time, B."""
        return self._coded.level.shape[0]

    def first_state(self) -> list[tf.Tensor]:
        """State and place [B] of the stacks; start and size of levels [B,1,H*W,C]."""
        zeros = tf.zeros_like(self._coded.level)[:, None]
        place = tf.zeros([self.batch_size], tf.int32)
        return [self._coded.state, place, zeros, zeros]

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The pixel [B,C] at `position`, and the state after it."""
        stack, place, starts, sizes = state
        given = self._coded.level[:, position]
        pixel: list[tf.Tensor] = []
        pixel_starts, pixel_sizes = [], []
        for channel in range(given.shape[-1]):
            mixture = LogisticMixture(
                *optimization_barrier(*likelihood.given_channels(pixel))
            )
            slot = tf.cast(tf.bitwise.bitwise_and(stack, _int64(TOTAL - 1)), tf.int32)
            level, start, end = self._find(mixture, slot, given[:, channel])
            stack, place = self._popped(stack, place, start, end)
            pixel.append(to_unit_range(level))
            pixel_starts.append(start)
            pixel_sizes.append(end - start)
        starts, sizes = (
            with_columns(table, tf.stack(values, axis=-1)[:, None, None], position)
            for table, values in ((starts, pixel_starts), (sizes, pixel_sizes))
        )
        return tf.stack(pixel, axis=-1), [stack, place, starts, sizes]

    def _find(
        self, mixture: LogisticMixture, slot: tf.Tensor, given: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Finds the level that is given, or that has the slot in its interval.

        Args:
          mixture: p of the sub-pixel, batch shape [B].
          slot: int32 [B].
          given: int32 [B], the level to encode.

        Returns:
          The level, and the start and the end of its interval, int32 [B] each.
        """
        first_level = tf.zeros_like(slot)
        start, end = tf.zeros_like(slot), tf.fill(tf.shape(slot), TOTAL)
        for step in (_WAYS, 1):
            level = first_level[:, None] + step * tf.range(1, _WAYS)
            slots_below = _slots_below(mixture, level)
            is_at_least = tf.where(
                self._coded.encodes,
                level <= given[:, None],
                slots_below <= slot[:, None],
            )
            way = tf.reduce_sum(tf.cast(is_at_least, tf.int32), axis=-1)
            edges = tf.concat([start[:, None], slots_below, end[:, None]], axis=-1)
            start = tf.gather(edges, way, batch_dims=1)
            end = tf.gather(edges, way + 1, batch_dims=1)
            first_level += step * way
        return first_level, start, end

    def _popped(
        self, stack: tf.Tensor, place: tf.Tensor, start: tf.Tensor, end: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Pops the interval on top, to decode; returns the new stack and place [B]."""
        slot = tf.bitwise.bitwise_and(stack, _int64(TOTAL - 1))
        high = tf.bitwise.right_shift(stack, _int64(PRECISION))
        popped = tf.cast(end - start, tf.int64) * high + slot - tf.cast(start, tf.int64)
        needs = popped < LEAST_STATE
        last = tf.shape(self._coded.words)[1] - 1
        word = tf.gather(self._coded.words, tf.minimum(place, last), batch_dims=1)
        popped = tf.where(needs, popped * (1 << WORD_BITS) + word, popped)
        next_place = place + tf.cast(needs, tf.int32)
        encodes = self._coded.encodes
        return tf.where(encodes, stack, popped), tf.where(encodes, place, next_place)


def _int64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)


def _slots_below(mixture: LogisticMixture, level: tf.Tensor) -> tf.Tensor:
    """The first slot of every level, int32 [B,E], rising from level to level."""
    share = tf.clip_by_value(mixture.mass_below(level), 0.0, 1.0)
    free = TOTAL - _SLOTS_OF_LEVEL * NUM_LEVELS
    slots = _SLOTS_OF_LEVEL * level + tf.cast(tf.floor(share * free), tf.int32)
    # Compared with the slot and taken as an edge, it must be one number: without the
    # barrier XLA may compute it twice, in different orders.
    return optimization_barrier(slots)[0]


@function_of_weights(jit_compile=True)
def _run(
    model: AutoregressiveModel,
    coded: CodedPixels,
    f_z: tf.Tensor,
    label: tf.Tensor | None,
) -> tuple[tf.Tensor, ...]:
    """Codes: images uint8 [B,H,W,C]; state, place [B]; starts, sizes [B,1,H*W,C]."""
    pixel_cnn, size = model.pixel_cnn, model.image_shape[:2]
    x, state = pixels_in_order(
        pixel_cnn, size, PixelCode(coded), model.condition(f_z), label
    )
    return to_levels(x), *state


@dataclasses.dataclass(frozen=True)
class Pixels:
    """Codes batches of B images with the PixelCNN++ of a model.

    Args:
      model: a model with a PixelCNN++.
      batch_size: B.
    """

    model: AutoregressiveModel
    batch_size: int

    @property
    def num_symbols(self) -> int:
        """The number of symbols of an image: a level for every channel of a pixel."""
        return int(np.prod(self.model.image_shape))

    @property
    def room(self) -> int:
        """The most words that an image can take."""
        return self.num_symbols * PRECISION // WORD_BITS + 2

    def intervals(
        self, image: np.ndarray, f_z: tf.Tensor, label: np.ndarray | None
    ) -> Interval:
        """The intervals [B,H*W*C] of all levels, in raster order, channel by channel.

        Args:
          image: uint8 [B,H,W,C].
          f_z: [B,h,w,c], the condition.
          label: int32 [B], for a class-conditional model.
        """
        level = image.reshape(self.batch_size, -1, image.shape[-1]).astype(np.int32)
        nothing = np.zeros([self.batch_size, self.room], np.int64)
        coded = self._coded(nothing, nothing[:, 0], level, encodes=True)
        _, _, _, *intervals = _run(self.model, coded, f_z, _tensor(label))
        start, size = (
            edges.numpy().reshape(self.batch_size, -1).astype(np.int64)
            for edges in intervals
        )
        return Interval(start, size)

    def pop(
        self,
        stacks: OpenStacks,
        f_z: tf.Tensor,
        label: np.ndarray | None,
        is_on: np.ndarray,
    ) -> np.ndarray:
        """Pops one image from every lane, uint8 [B,H,W,C].

        Args:
          stacks: the B lanes; those that are off keep what they have.
          f_z, label: as `intervals` takes them.
          is_on: bool [B]; the images of other lanes are undefined.
        """
        height, width, channels = self.model.image_shape
        level = np.zeros([self.batch_size, height * width, channels], np.int32)
        reach = stacks.place[:, None] + np.arange(self.room)
        reach = np.minimum(reach, stacks.words.shape[1] - 1)
        words = np.take_along_axis(stacks.words, reach, axis=1)
        coded = self._coded(words, stacks.state, level, encodes=False)
        image, state, place, *_ = _run(self.model, coded, f_z, _tensor(label))
        stacks.state = np.where(is_on, state.numpy(), stacks.state)
        stacks.place = stacks.place + np.where(is_on, place.numpy(), 0)
        return image.numpy()

    @staticmethod
    def _coded(
        words: np.ndarray, state: np.ndarray, level: np.ndarray, encodes: bool
    ) -> CodedPixels:
        return CodedPixels(
            tf.constant(words), tf.constant(state), tf.constant(level), encodes
        )


def _tensor(label: np.ndarray | None) -> tf.Tensor | None:
    return None if label is None else tf.constant(label, tf.int32)
