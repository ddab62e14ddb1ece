"""Codes z by relative entropy coding: indices of candidates that both sides can draw.

Flamich, Havasi & Hernández-Lobato 2020, "Compressing Images by Encoding Their Latent
Representations with Relative Entropy Coding". The dimensions of a level are dealt into
blocks of about `block_bits` of KL, in a shared random order. Of every block both sides
can draw 2**index_bits candidates from the prior p(z); the encoder sends the index of
the one that is likeliest under q(z|x) relative to p(z). So z costs its KL, nearly,
without a stream to take bits back from, and a single image can be coded.

The KL is that of a normal distribution with the moments of q(z|x) after its flow.
Levels follow from the top, each with the prior that the z chosen above it give.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.codec.entropy_coder import (
    Interval,
    OpenStacks,
    equal_interval,
    symbol_at,
)
from agave_tf.codec.shared_normal import shared_normal, shared_order
from agave_tf.layers.iaf_ladder_layer import BottomUp, Gaussian, IAFLadderLayer
from agave_tf.models.agave import AGAVE
from agave_tf.models.architecture import function_of_weights

# A count of blocks takes a byte in the header.
MAX_BLOCKS = 255
# Pairs of a draw and its opposite, of which the moments of q(z|x) are estimated.
_MOMENT_PAIRS = 16
_MOMENT_SEED = (0, 0)
# Numbers of "blocks" that are none: what dimensions without a block are, and draws.
_NO_BLOCK = 1 << 32


class LatentCode(NamedTuple):
    """The latents of B images, as indices of candidates; by level, from the top."""

    counts: list[np.ndarray]  # int64 [B], blocks of each image
    indices: list[np.ndarray]  # int64 [max count,B]; an image has those below its count

    def of_image(self, lane: int) -> bytes:
        """The counts and indices of one image."""
        return b"".join(
            np.append(index[: count[lane], lane], count[lane]).astype("<u2").tobytes()
            for count, index in zip(*self, strict=True)
        )


class CountRange(NamedTuple):
    """The counts of blocks that occur in a level."""

    least: int
    most: int


class Latents:
    """Chooses z for batches of B images, and computes f(z) from the choice.

    Args:
      model: a model with a VAE.
      batch_size: B.
      block_bits: KL of a block, in bits.
      index_bits: bits of an index.
    """

    def __init__(
        self, model: AGAVE, batch_size: int, block_bits: float, index_bits: int
    ):
        self._model, self._vae = model, model.required_vae()
        self._levels = self._vae.ladder[::-1]
        self._batch_size, self._block_bits = batch_size, block_bits
        self._num_candidates = 1 << index_bits
        sizes = [int(np.prod(shape)) for shape in self._vae.latent_shapes]
        self._orders = [shared_order(i, size) for i, size in enumerate(sizes)]
        self._tables: dict[tuple[int, int], np.ndarray] = {}

    def choose(self, image: np.ndarray) -> LatentCode:
        """Chooses candidates for images uint8 [B,H,W,C]."""
        features = self._model.encode(tf.constant(image))
        assert features is not None  # The model has a VAE.
        h = _top_features(self._model, self._batch_size)
        code = LatentCode([], [])
        for number, bottom_up in enumerate(features[::-1]):
            level = self._levels[number]
            prior, moments = _prior(level, h), self._moments(number, h, bottom_up)
            count, index = self._choose(number, _flat(prior), _flat(moments))
            code.counts.append(count)
            code.indices.append(index)
            h = _features(level, h, self._noise_of(number, count, index))
        return code

    def f_z(self, code: LatentCode) -> tf.Tensor:
        """f(z) [B,h,w,c] of a code."""
        h = _top_features(self._model, self._batch_size)
        for number, level in enumerate(self._levels):
            count, index = code.counts[number], code.indices[number]
            h = _features(level, h, self._noise_of(number, count, index))
        return _f_z(self._model, h)

    def _moments(self, number: int, h: tf.Tensor, bottom_up: BottomUp) -> Gaussian:
        shape = self._vae.latent_shapes[number]
        rng = tf.random.stateless_normal([_MOMENT_PAIRS, *shape], _MOMENT_SEED)
        return _moments(self._levels[number], h, bottom_up, tf.concat([rng, -rng], 0))

    def _choose(
        self, number: int, prior: Gaussian, target: Gaussian
    ) -> tuple[np.ndarray, np.ndarray]:
        """Counts [B] and indices [max count,B] of the level with this number.

        Args:
          number: of the level.
          prior, target: [B,D] each.
        """
        ratio, distance = target.deviation / prior.deviation, prior.mean - target.mean
        kl = np.square(ratio) + np.square(distance / prior.deviation)
        bits = ((kl - 1) / 2 - np.log(ratio)).sum(axis=1) / np.log(2)
        count = np.clip(np.round(bits / self._block_bits), 0, MAX_BLOCKS)
        count = np.nan_to_num(count).astype(np.int64)
        # ln of target over prior at mean + deviation * e is, but for a constant,
        # linear * e + square * e**2.
        linear = -distance * prior.deviation / np.square(target.deviation)
        square = (1 - 1 / np.square(ratio)) / 2
        index = np.zeros([count.max(initial=0), self._batch_size], np.int64)
        for image, blocks in enumerate(count):
            for block in range(blocks):
                dims = self._orders[number][block::blocks]
                noise = self._candidates(number, block, len(dims))
                log_weight = linear[image, dims] @ noise
                log_weight += square[image, dims] @ np.square(noise)
                index[block, image] = log_weight.argmax()
        return count, index

    def _noise_of(self, number: int, count: np.ndarray, index: np.ndarray) -> tf.Tensor:
        """The standard normal noise of z [B,h,w,z_channels] that a code stands for."""
        order, shape = self._orders[number], self._vae.latent_shapes[number]
        # A dimension without a block is a draw from the prior that all images share.
        common = shared_normal(number, _NO_BLOCK, (len(order), 1))[:, 0]
        noise = np.tile(common, (self._batch_size, 1))
        for image, blocks in enumerate(count):
            for block in range(blocks):
                dims = order[block::blocks]
                candidates = self._candidates(number, block, len(dims))
                noise[image, dims] = candidates[:, index[block, image]]
        return tf.constant(noise.reshape(self._batch_size, *shape))

    def _candidates(self, number: int, block: int, num_dims: int) -> np.ndarray:
        """Noise float32 [D,2**index_bits] of the first D dimensions of a block."""
        table = self._tables.get((number, block))
        if table is None or len(table) < num_dims:
            table = shared_normal(number, block, (num_dims, self._num_candidates))
            self._tables[number, block] = table
        return table[:num_dims]


def ranges_of(codes: list[LatentCode]) -> list[CountRange]:
    """The range of the counts of every level, over all images."""
    by_level = zip(*(code.counts for code in codes), strict=True)
    return [
        CountRange(int(np.min(counts)), int(np.max(counts)))
        for counts in map(np.concatenate, by_level)
    ]


def symbols_of(
    code: LatentCode, ranges: list[CountRange], index_bits: int
) -> Iterator[tuple[Interval, np.ndarray | bool]]:
    """The symbols of a code in the order in which `pop_code` pops them.

    Each with the lanes that have it, bool [B], or True for all.
    """
    for count, indices, (least, most) in zip(*code, ranges, strict=True):
        if most > least:
            yield equal_interval(count - least, most - least + 1), True
        for block, index in enumerate(indices):
            yield equal_interval(index, 1 << index_bits), block < count


def pop_code(
    stacks: OpenStacks, ranges: list[CountRange], index_bits: int, is_on: np.ndarray
) -> LatentCode:
    """Pops the code of one image from every lane that is on, bool [B]."""
    code = LatentCode([], [])
    for least, most in ranges:
        count = np.where(is_on, least, 0)
        if most > least:
            count += _pop_equal(stacks, most - least + 1, is_on)
        indices = [
            _pop_equal(stacks, 1 << index_bits, block < count)
            for block in range(count.max(initial=0))
        ]
        code.counts.append(count)
        code.indices.append(np.array(indices, np.int64).reshape(-1, len(count)))
    return code


def _pop_equal(stacks: OpenStacks, num_symbols: int, is_on: np.ndarray) -> np.ndarray:
    symbol = symbol_at(stacks.slot, num_symbols)
    stacks.pop(equal_interval(symbol, num_symbols), is_on)
    return np.where(is_on, symbol, 0)


def _flat(distribution: Gaussian) -> Gaussian:
    """The distribution with [B,D] of NumPy, float64."""
    count = distribution.mean.shape[0]
    return Gaussian(
        *(of.numpy().astype(np.float64).reshape(count, -1) for of in distribution)
    )


# What decides a code is compiled by XLA, at one batch size, for encoder and decoder.
@function_of_weights(jit_compile=True)
def _top_features(model: AGAVE, batch_size: int) -> tf.Tensor:
    return model.required_vae().top_features(batch_size)


@function_of_weights(jit_compile=True)
def _prior(level: IAFLadderLayer, h: tf.Tensor) -> Gaussian:
    return level.prior(h)


@function_of_weights(jit_compile=True)
def _features(level: IAFLadderLayer, h: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    return level.sample_prior(h, noise).features


@function_of_weights(jit_compile=True)
def _f_z(model: AGAVE, h: tf.Tensor) -> tf.Tensor:
    return model.required_vae().output(h)


@function_of_weights()
def _moments(
    level: IAFLadderLayer, h: tf.Tensor, bottom_up: BottomUp, noise: tf.Tensor
) -> Gaussian:
    return level.posterior_moments(h, bottom_up, noise)
