"""The distribution of one sub-pixel in PixelCNN++, given the ones before it.

In exact arithmetic (arithmetic/exact_arithmetic.py) its masses and slots are the same
on every machine.
"""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.weights.in_use import arithmetic_in_use

NUM_LEVELS = 256
# An entropy coder shares out 2**20 slots among the levels.
SLOT_BITS = 20
NUM_SLOTS = 1 << SLOT_BITS
# Slots that every level has whatever its mass. The mass below it never falls from one
# level to the next: it is a sum of products of rising numbers, each computed exactly.
_SLOTS_OF_LEVEL = 1
# A level is searched among this many at a time, twice.
_WAYS = 16


class SlotsOfLevel(NamedTuple):
    """A level, and the slots that stand for it."""

    level: tf.Tensor  # int32 [...]
    start: tf.Tensor  # int32 [...], the first slot
    end: tf.Tensor  # int32 [...], one after the last slot


class LogisticMixture(NamedTuple):
    """A mixture of logistics over [-1, 1], whose levels are 2/255 apart."""

    weights: tf.Tensor  # [..., K]
    means: tf.Tensor  # [..., K]
    inverse_scales: tf.Tensor  # [..., K]

    def mass_below(self, level: tf.Tensor) -> tf.Tensor:
        """The mass [..., E] below each level, int [..., E] from 1 to 255."""
        arithmetic = arithmetic_in_use()
        edge = (2.0 * tf.cast(level, self.means.dtype) - 256.0) / 255.0
        # On the grid no last bit of the division is left, which XLA replaces by a
        # product: 65536 / 255 * (2 * level - 256) is no nearer than 1/510 to a half.
        edge = arithmetic.rounded(edge)
        z = arithmetic.times(
            edge[..., None] - self.means[..., None, :],
            self.inverse_scales[..., None, :],
        )
        # Exact: multiples of 2**-24 times such multiples, which add up to about 1.
        share = self.weights[..., None, :] * arithmetic.sigmoid(z)
        return tf.reduce_sum(share, axis=-1)

    def slots_below(self, level: tf.Tensor) -> tf.Tensor:
        """The first slot of each level, int32 [..., E], of 2**20 in all.

        It rises from level to level, from 0 at level 0 to 2**20 at level 256; so every
        level has a slot.

        Args:
          level: int32 [..., E], from 0 to 256.
        """
        share = tf.clip_by_value(self.mass_below(level), 0.0, 1.0)
        free = NUM_SLOTS - _SLOTS_OF_LEVEL * NUM_LEVELS
        slots = _SLOTS_OF_LEVEL * level + tf.cast(tf.floor(share * free), tf.int32)
        slots = tf.where(level <= 0, 0, slots)
        return tf.where(level >= NUM_LEVELS, NUM_SLOTS, slots)

    def quantile(self, u: tf.Tensor) -> tf.Tensor:
        """The level [B] with mass_below(level) <= u < mass_below(level + 1).

        For a uniform u it is a draw of the mixture. The level of a uniform slot is not:
        `slots_below` adds a slot to every level, 1 in 4,096 of all.

        Args:
          u: [B], in (0,1); the mixture has batch shape [B].
        """
        level = tf.zeros(tf.shape(u), tf.int32)
        for step in (_WAYS, 1):
            below = self.mass_below(level[:, None] + step * tf.range(1, _WAYS))
            is_passed = tf.cast(below <= u[:, None], tf.int32)
            level += step * tf.reduce_sum(is_passed, axis=-1)
        return level

    def level_at(self, slot: tf.Tensor) -> SlotsOfLevel:
        """The level that a slot stands for; in exact arithmetic.

        Args:
          slot: int32 [B], from 0 to 2**20 - 1; the mixture has batch shape [B].
        """
        first = start = tf.zeros_like(slot)
        end = tf.fill(tf.shape(slot), NUM_SLOTS)
        for step in (_WAYS, 1):
            below = self.slots_below(first[:, None] + step * tf.range(1, _WAYS))
            is_at_least = below <= slot[:, None]
            way = tf.reduce_sum(tf.cast(is_at_least, tf.int32), axis=-1)
            edges = tf.concat([start[:, None], below, end[:, None]], axis=-1)
            start = tf.gather(edges, way, batch_dims=1)
            end = tf.gather(edges, way + 1, batch_dims=1)
            first += step * way
        return SlotsOfLevel(first, start, end)
