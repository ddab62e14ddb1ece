"""Codes the pixels of images with the PixelCNN++ of a model, in exact arithmetic.

The encoder sees the image, so it finds the slots of all its levels in one parallel
pass. The decoder is the cached sampler whose draws come from a stream, level by level.
Exact arithmetic gives both the same slots, bit for bit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.codec.entropy_coder import (
    LEAST_STATE,
    PRECISION,
    TOTAL,
    WORD_BITS,
    OpenStack,
)
from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
    Slots,
)
from agave_tf.distributions.logistic_mixture import SlotsOfLevel
from agave_tf.models.padding import cut
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.pixel_scale import to_levels
from agave_tf.sampling.cached import pixels_in_order
from agave_tf.weights.in_use import arithmetic_in_use
from agave_tf.weights.skeletons import function_of_weights


class Intervals(NamedTuple):
    """The slots of the levels of B images, in the order of the decoder."""

    start: np.ndarray  # int32 [B,H*W*C]
    size: np.ndarray  # int32 [B,H*W*C]

    @property
    def bits(self) -> np.ndarray:
        """The bits that every image takes, float64 [B]."""
        return (PRECISION - np.log2(self.size)).sum(axis=1)


def intervals(
    model: AutoregressiveModel,
    image: np.ndarray,
    f_z: tf.Tensor,
    label: np.ndarray | None,
) -> Intervals:
    """The intervals of all levels of images, in exact arithmetic.

    Args:
      model: the model, of the size of the images.
      image: uint8 [B,H,W,C].
      f_z: [B,h,w,c], the condition.
      label: int32 [B], for a class-conditional model.
    """
    slots = _slots(model, tf.constant(image), f_z, _tensor(label))
    start, end = (edges.numpy().reshape(len(image), -1) for edges in slots)
    return Intervals(start, end - start)


def pop_images(
    model: AutoregressiveModel,
    stacks: Sequence[OpenStack],
    f_z: tf.Tensor,
    label: np.ndarray | None,
) -> np.ndarray:
    """Pops one image from every stream, uint8 [B,H,W,C], in exact arithmetic.

    Args:
      model: the model, of the size of the images.
      stacks: B streams.
      f_z: [B,h,w,c], the condition.
      label: int32 [B], for a class-conditional model.
    """
    # The most words that an image can take.
    room = int(np.prod(model.image_shape)) * PRECISION // WORD_BITS + 2
    words = np.stack([stack.ahead(room) for stack in stacks])
    state = np.array([stack.state for stack in stacks])
    image, states, places = _pop(
        model, tf.constant(words), tf.constant(state), f_z, _tensor(label)
    )
    for stack, own_state, place in zip(
        stacks, states.numpy().tolist(), places.numpy().tolist(), strict=True
    ):
        stack.state = own_state
        stack.place += place
    return image.numpy()


def _tensor(label: np.ndarray | None) -> tf.Tensor | None:
    return None if label is None else tf.constant(label, tf.int32)


@function_of_weights()
def _slots(
    model: AutoregressiveModel,
    image: tf.Tensor,
    f_z: tf.Tensor,
    label: tf.Tensor | None,
) -> Slots:
    x = arithmetic_in_use().from_levels(model.pad(image))
    parameters = model.pixel_cnn(x, model.condition(f_z), label)
    likelihood = model.pixel_cnn.likelihood(cut(parameters, model.image_shape[:2]))
    return likelihood.slots(tf.cast(image, tf.int32))


@function_of_weights(jit_compile=True)
def _pop(
    model: AutoregressiveModel,
    words: tf.Tensor,
    state: tf.Tensor,
    f_z: tf.Tensor,
    label: tf.Tensor | None,
) -> tuple[tf.Tensor, ...]:
    """Images uint8 [B,H,W,C]; state [B], and words that were read [B]."""
    pixel_cnn, size = model.pixel_cnn, model.image_shape[:2]
    source = _PixelsOfStream(words, state, model.image_shape[-1])
    x, stack = pixels_in_order(pixel_cnn, size, source, model.condition(f_z), label)
    return to_levels(x), *stack


class _PixelsOfStream:
    """Gives `pixels_in_order` the pixels of a stream.

    Args:
      words: int64 [B,M], the words of every stream from here on.
      state: int64 [B], of every stream.
      num_channels: C of a pixel.
    """

    def __init__(self, words: tf.Tensor, state: tf.Tensor, num_channels: int):
        self._words, self._state, self._num_channels = words, state, num_channels

    @property
    def batch_size(self) -> int:
        """Images at a time, B."""
        return self._words.shape[0]

    def first_state(self) -> list[tf.Tensor]:
        """State of the streams, and words that were read, [B] each."""
        return [self._state, tf.zeros([self.batch_size], tf.int32)]

    def next_pixel(
        self,
        likelihood: DiscretizedLogisticMixture,
        position: tf.Tensor,
        state: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The pixel [B,C] at `position`, and the state after it."""
        del position
        stack, place = state
        pixel: list[tf.Tensor] = []
        for _ in range(self._num_channels):
            slot = tf.cast(tf.bitwise.bitwise_and(stack, _int64(TOTAL - 1)), tf.int32)
            found = likelihood.given_channels(pixel).level_at(slot)
            stack, place = self._popped(stack, place, slot, found)
            pixel.append(arithmetic_in_use().from_levels(found.level))
        return tf.stack(pixel, axis=-1), [stack, place]

    def _popped(
        self,
        stack: tf.Tensor,
        place: tf.Tensor,
        slot: tf.Tensor,
        found: SlotsOfLevel,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Pops the level that was found; returns the new state and place [B]."""
        size, within = (
            tf.cast(x, tf.int64) for x in (found.end - found.start, slot - found.start)
        )
        popped = size * tf.bitwise.right_shift(stack, _int64(PRECISION)) + within
        needs = popped < LEAST_STATE
        last = tf.shape(self._words)[1] - 1
        word = tf.gather(self._words, tf.minimum(place, last), batch_dims=1)
        popped = tf.where(needs, popped * (1 << WORD_BITS) + word, popped)
        return popped, place + tf.cast(needs, tf.int32)


def _int64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)
