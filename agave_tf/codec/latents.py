"""Codes z by relative entropy coding: indices of candidates that both sides can draw.

Flamich, Havasi & Hernández-Lobato 2020, "Compressing Images by Encoding Their Latent
Representations with Relative Entropy Coding". The dimensions of a level are dealt into
blocks of about `block_bits` of KL, in a shared random order. Of every block both sides
can draw 2**index_bits candidates from the prior p(z); the encoder sends the index of
the one that is likeliest under q(z|x) relative to p(z). So z costs its KL, nearly,
without a stream to take bits back from, and a single image can be coded.

The flow makes the dimensions of z depend on one another under q(z|x), which is a fifth
to two fifths of the KL of some levels. So a block is chosen given those before it. Its
dimensions are taken as normal, with the mean to which one step along the gradient of
ln q(z|x) leads from the z so far, in which the blocks that follow have their mean.

Levels follow from the top, each with the prior that the z chosen above it give.

A level of an image that is larger than the model's own falls into regions of that
level's own size. Each has blocks of its own, which are chosen at the same time as those
of the others, from the same candidates: time and memory are as for an image of the
model's own size, but for the networks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.codec.latent_code import (
    MAX_BLOCKS,
    LatentCode,
    shared_normal,
    shared_order,
)
from agave_tf.layers.iaf_ladder_layer import BottomUp, LadderLayer
from agave_tf.layers.level_posterior import PosteriorSummary
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.weights.skeletons import function_of_weights

# Pairs of a draw and its opposite, of which mean and KL of q(z|x) are estimated.
_NUM_PAIRS = 8
_PAIRS_SEED = (0, 0)
# Length of the step along the gradient. 1 would be Newton's, for one dimension alone;
# the dimensions of a block take it at once.
_STEP = 0.7
# Takes the place of a block's number for the dimensions that are in no block.
_NO_BLOCK = 1 << 32


class Normal(NamedTuple):
    """Independent normal distributions, as arrays of one shape."""

    mean: np.ndarray
    deviation: np.ndarray


class NoLatents:
    """The latents of a model without z: a code without levels, and an empty f(z).

    Args:
      batch_size: images at a time, B.
    """

    def __init__(self, batch_size: int):
        self._batch_size = batch_size

    def choose(self, image: np.ndarray) -> LatentCode:
        """Returns the code without levels."""
        del image
        return LatentCode([], [])

    def f_z(self, code: LatentCode) -> tf.Tensor:
        """f(z) without channels, [B,1,1,0]."""
        del code
        return tf.zeros([self._batch_size, 1, 1, 0])

    @property
    def num_regions(self) -> list[int]:
        """None, of no level."""
        return []


class Latents:
    """Chooses z for batches of B images, and computes f(z) from the choice.

    Args:
      model: the model, of the size of the images.
      region_shapes: (h,w,z_channels) of the regions of every level.
      batch_size: B.
      block_bits: KL of a block, in bits.
      index_bits: bits of an index.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        region_shapes: Sequence[tuple[int, int, int]],
        batch_size: int,
        block_bits: float,
        index_bits: int,
    ):
        self._model, self._vae = model, model.vae
        self._levels = self._vae.ladder[::-1]
        self._batch_size, self._block_bits = batch_size, block_bits
        self._num_candidates = 1 << index_bits
        self._shapes = model.latent_shapes
        self._real = model.real_cells(model.image_shape[:2])
        self._orders = [
            _orders(number, *level)
            for number, level in enumerate(
                zip(self._shapes, region_shapes, self._real, strict=True)
            )
        ]
        self._tables: dict[tuple[int, int], np.ndarray] = {}

    @property
    def num_regions(self) -> list[int]:
        """The number of regions of every level."""
        return [len(orders) for orders in self._orders]

    def choose(self, image: np.ndarray) -> LatentCode:
        """Chooses candidates for images uint8 [B,H,W,C]."""
        features = self._model.encode(tf.constant(image))
        h = _top_features(self._model, self._batch_size)
        code = LatentCode([], [])
        for number, bottom_up in enumerate(features[::-1]):
            level = self._levels[number]
            count, index = self._choose(number, h, bottom_up)
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

    def _choose(
        self, number: int, h: tf.Tensor, bottom_up: BottomUp
    ) -> tuple[np.ndarray, np.ndarray]:
        """Chooses counts [B,R] and indices [max count,B,R] of a level.

        Args:
          number: the level's, from the top.
          h: features from the level above.
          bottom_up: the level's own, of the images.
        """
        level, shape = self._levels[number], self._shapes[number]
        half = tf.random.stateless_normal([_NUM_PAIRS, *shape], _PAIRS_SEED)
        prior = Normal(*map(_flat, _prior(level, h)))
        mean, deviation, kl = map(
            _flat,
            _summary(
                level, h, bottom_up, tf.concat([half, -half], 0), self._real[number]
            ),
        )
        variance = np.square(deviation)
        orders = self._orders[number]
        kl = np.stack([kl[:, order].sum(axis=1) for order in orders], axis=1)
        count = np.round(kl / np.log(2) / self._block_bits)
        count = np.clip(np.nan_to_num(count), 0, MAX_BLOCKS).astype(np.int64)
        index = np.zeros([count.max(initial=0), *count.shape], np.int64)
        z = mean
        for block in range(len(index)):
            at = tf.constant(z.reshape(-1, *shape), tf.float32)
            # Where the flow cannot be inverted, no step is made from the means.
            score = np.nan_to_num(
                _flat(_score(level, h, bottom_up, at)), posinf=0, neginf=0
            )
            target = Normal(z + _STEP * score * variance, deviation)
            for image, region in np.argwhere(block < count):
                dims = orders[region][block :: count[image, region]]
                if not len(dims):
                    continue
                noise = self._candidates(number, block, len(dims))
                block_prior = Normal(*(x[image, dims] for x in prior))
                weight = _log_weight(
                    Normal(*(x[image, dims] for x in target)), block_prior, noise
                )
                index[block, image, region] = best = weight.argmax()
                z[image, dims] = (
                    block_prior.mean + block_prior.deviation * noise[:, best]
                )
        return count, index

    def _noise_of(self, number: int, count: np.ndarray, index: np.ndarray) -> tf.Tensor:
        """The standard normal noise of z [B,h,w,z_channels] that a code stands for."""
        orders, shape = self._orders[number], self._shapes[number]
        # A dimension without a block is a draw from the prior that all images share;
        # one of padding is the mean of the prior.
        common = shared_normal(number, _NO_BLOCK, (int(np.prod(shape)), 1))[:, 0]
        noise = np.zeros([self._batch_size, len(common)], common.dtype)
        for order in orders:
            noise[:, order] = common[order]
        for image, region in np.argwhere(count):
            blocks = count[image, region]
            for block in range(blocks):
                dims = orders[region][block::blocks]
                candidates = self._candidates(number, block, len(dims))
                noise[image, dims] = candidates[:, index[block, image, region]]
        return tf.constant(noise.reshape(self._batch_size, *shape))

    def _candidates(self, number: int, block: int, num_dims: int) -> np.ndarray:
        """Noise float32 [D,2**index_bits] of the first D dimensions of a block."""
        table = self._tables.get((number, block), np.zeros([0, self._num_candidates]))
        if len(table) < num_dims:
            table = shared_normal(number, block, (num_dims, self._num_candidates))
            self._tables[number, block] = table
        return table[:num_dims]


def _orders(
    number: int,
    shape: tuple[int, int, int],
    region_shape: tuple[int, int, int],
    real: tf.Tensor | None,
) -> list[np.ndarray]:
    """A random order of the dimensions of every region, without those of padding.

    Args:
      number: the level's, from the top.
      shape: (h,w,z_channels) of the level.
      region_shape: the same of a region; those at the right and lower edges may be cut.
      real: bool [1,h,w,1], positions that are not of padding; None: all.

    Returns:
      Numbers of dimensions in the level, int64 [D] for each region.
    """
    place = np.arange(np.prod(shape)).reshape(shape)
    if real is not None:
        place = np.where(real.numpy()[0], place, -1)
    order, orders = shared_order(number, int(np.prod(region_shape))), []
    height, width, _ = region_shape
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            region = np.full(region_shape, -1)
            part = place[top : top + height, left : left + width]
            region[: part.shape[0], : part.shape[1]] = part
            dims = region.reshape(-1)[order]
            orders.append(dims[dims >= 0])
    return orders


def _log_weight(target: Normal, prior: Normal, noise: np.ndarray) -> np.ndarray:
    """ln(target / prior) of K candidates, [K], up to a constant.

    Args:
      target, prior: [D] each.
      noise: [D,K], of the candidates as draws from the prior.
    """
    ratio, distance = target.deviation / prior.deviation, prior.mean - target.mean
    linear = -distance * prior.deviation / np.square(target.deviation)
    square = (1 - 1 / np.square(ratio)) / 2
    return linear @ noise + square @ np.square(noise)


def _flat(x: tf.Tensor) -> np.ndarray:
    """x [B,...] as [B,D] of NumPy, float64."""
    return x.numpy().astype(np.float64).reshape(x.shape[0], -1)


# XLA compiles the functions of the decoder, at one batch size, so that encoder and
# decoder compute the same bits.
@function_of_weights(jit_compile=True)
def _top_features(model: LatentVariableModel, batch_size: int) -> tf.Tensor:
    return model.vae.top_features(batch_size, model.latent_shapes[0][:2])


@function_of_weights(jit_compile=True)
def _features(level: LadderLayer, h: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    return level.sample_prior(h, noise).features


@function_of_weights(jit_compile=True)
def _f_z(model: LatentVariableModel, h: tf.Tensor) -> tf.Tensor:
    return model.vae.output(h)


# On these only the choice of the encoder depends.
@function_of_weights()
def _prior(level: LadderLayer, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    prior = level.prior(h)
    return prior.loc, prior.scale


@function_of_weights()
def _summary(
    level: LadderLayer,
    h: tf.Tensor,
    bottom_up: BottomUp,
    noise: tf.Tensor,
    is_real: tf.Tensor | None,
) -> PosteriorSummary:
    return level.posterior(h, bottom_up).summary(level.prior(h), noise, is_real)


@function_of_weights()
def _score(
    level: LadderLayer, h: tf.Tensor, bottom_up: BottomUp, z: tf.Tensor
) -> tf.Tensor:
    return level.posterior(h, bottom_up).score(z)
