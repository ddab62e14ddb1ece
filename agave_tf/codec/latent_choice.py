"""Chooses a code of z, as relative entropy coding; only the encoder does.

Flamich, Havasi & Hernández-Lobato 2020, "Compressing Images by Encoding Their Latent
Representations with Relative Entropy Coding". The dimensions of a level are dealt into
blocks of about `block_bits` of KL. Of every block both sides can draw 2**index_bits
candidates from the prior p(z); the encoder sends the number of the one that is
likeliest under q(z|x) relative to p(z). So z costs its KL, nearly, without a stream to
take bits back from, and a single image can be coded.

The flow makes the dimensions of z depend on one another under q(z|x), which is a fifth
to two fifths of the KL of some levels. So a block is chosen given those before it. Its
dimensions are taken as normal, with the mean to which one step along the gradient of
ln q(z|x) leads from the z so far, in which the blocks that follow have their mean.

Levels follow from the top, each with the prior that the z chosen above it give.

All this is in floats: whatever is chosen, the decoder finds the same z for it.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.codec.candidates import Candidates
from agave_tf.codec.latent_code import MAX_BLOCKS, LatentCode
from agave_tf.codec.latents import Latents
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


class _Normal(NamedTuple):
    """Independent normal distributions, float32 of one shape."""

    mean: np.ndarray
    deviation: np.ndarray


class LatentChoice:
    """Chooses the codes of images of one size.

    Args:
      latents: of that size.
      candidates: of all blocks; their number is a power of two.
      block_bits: KL of a block, in bits.
    """

    def __init__(self, latents: Latents, candidates: Candidates, block_bits: float):
        self._latents, self._candidates = latents, candidates
        self._block_bits = block_bits
        self._model = latents.model
        self._levels = self._model.vae.ladder[::-1]

    def choose(self, image: np.ndarray) -> list[LatentCode]:
        """Chooses the codes of images uint8 [B,H,W,C]."""
        features = _encode(self._model, tf.constant(image))
        h = _top_features(self._model, len(image))
        codes: list[LatentCode] = [[] for _ in image]
        for number, bottom_up in enumerate(features[::-1]):
            regions = self._choose(number, h, bottom_up)
            noise = [self._latents.level_noise(number, own) for own in regions]
            h = _features(self._levels[number], h, tf.constant(np.stack(noise)))
            for code, own in zip(codes, regions, strict=True):
                code.append(own)
        return codes

    def _choose(
        self, number: int, h: tf.Tensor, bottom_up: BottomUp
    ) -> list[list[list[int]]]:
        """Chooses a level's candidates, of every image, of every region.

        Args:
          number: the level's, from the top.
          h: features from the level above.
          bottom_up: the level's own, of the images.
        """
        level, shape = self._levels[number], self._latents.shapes[number]
        half = tf.random.stateless_normal([_NUM_PAIRS, *shape], _PAIRS_SEED)
        noise, real = tf.concat([half, -half], 0), self._latents.real[number]
        prior = _Normal(*map(_flat, _prior(level, h)))
        mean, deviation, kl = map(_flat, _summary(level, h, bottom_up, noise, real))
        variance, orders = np.square(deviation), self._latents.orders[number]
        kl = np.stack([kl[:, order].sum(axis=1) for order in orders], axis=1)
        count = np.round(kl / np.log(2) / self._block_bits)
        count = np.clip(np.nan_to_num(count), 0, MAX_BLOCKS).astype(np.int64)
        chosen: list[list[list[int]]] = [[[] for _ in orders] for _ in mean]
        z = mean
        for block in range(count.max(initial=0)):
            at = tf.constant(z.reshape(-1, *shape))
            rows = np.flatnonzero((block < count).any(axis=1))
            # Where the flow cannot be inverted, no step is made from the means.
            score = np.zeros_like(z)
            score[rows] = np.nan_to_num(
                _flat(_score(level, *_rows([h, bottom_up, at], rows))),
                posinf=0,
                neginf=0,
            )
            target = _Normal(z + _STEP * score * variance, deviation)
            blocks = [
                (image, orders[region][block :: count[image, region]])
                for image, region in np.argwhere(block < count)
            ]
            best, noise_of_best = self._best(number, block, blocks, target, prior)
            for (image, region), (_, dims), index, noise in zip(
                np.argwhere(block < count), blocks, best, noise_of_best, strict=True
            ):
                chosen[image][region].append(int(index))
                drawn = prior.deviation[image, dims] * noise[: len(dims)]
                z[image, dims] = prior.mean[image, dims] + drawn
        return chosen

    def _best(
        self,
        number: int,
        block: int,
        blocks: list[tuple[int, np.ndarray]],
        target: _Normal,
        prior: _Normal,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The likeliest candidate of a block of every image and region.

        Args:
          number: the level's, from the top.
          block: the block's number.
          blocks: N images, and the dimensions of the block in them.
          target, prior: q(z|x) and p(z), [B,D].

        Returns:
          The numbers of the candidates [N], and their noise [N,D] of the first D
          dimensions, where D is the most that a block has.
        """
        # ln(q / p) of noise e is, but for a constant, linear * e + square * e * e.
        most = max(len(dims) for _, dims in blocks)
        linear, square = np.zeros([2, len(blocks), most], np.float32)
        for row, (image, dims) in enumerate(blocks):
            own_prior, own = (
                _Normal(*(x[image, dims] for x in normal)) for normal in (prior, target)
            )
            precision = 1 / np.square(own.deviation)
            distance = own_prior.mean - own.mean
            linear[row, : len(dims)] = -distance * own_prior.deviation * precision
            ratio = np.square(own_prior.deviation) * precision
            square[row, : len(dims)] = (1 - ratio) / 2
        best_weight = np.full(len(blocks), -np.inf)
        best, first = np.zeros(len(blocks), np.int64), 0
        noise_of_best = np.zeros([len(blocks), most], np.float32)
        for noise in self._candidates.parts(number, block, most):
            # By TensorFlow, whose threads these are.
            weight = tf.matmul(linear, noise, transpose_b=True)
            weight += tf.matmul(square, np.square(noise), transpose_b=True)
            index = tf.argmax(weight, axis=1).numpy()
            highest = weight.numpy()[np.arange(len(blocks)), index]
            is_better = highest > best_weight
            best_weight = np.where(is_better, highest, best_weight)
            best[is_better] = first + index[is_better]
            noise_of_best[is_better] = noise[index[is_better]]
            first += len(noise)
        return best, noise_of_best


def _rows(x: list, rows: np.ndarray) -> list:
    """These rows of all tensors in x."""
    return tf.nest.map_structure(lambda part: tf.gather(part, rows), x)


def _flat(x: tf.Tensor) -> np.ndarray:
    """x [B,...] as [B,D] of NumPy."""
    return x.numpy().reshape(x.shape[0], -1)


@function_of_weights()
def _encode(model: LatentVariableModel, image: tf.Tensor) -> list[BottomUp]:
    return model.encode(image)


@function_of_weights()
def _top_features(model: LatentVariableModel, batch_size: int) -> tf.Tensor:
    return model.vae.top_features(batch_size, model.latent_shapes[0][:2])


@function_of_weights()
def _features(level: LadderLayer, h: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    return level.sample_prior(h, noise).features


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


# For any number of images, of which fewer have a later block.
@function_of_weights(has_gradient=True, reduce_retracing=True)
def _score(
    level: LadderLayer, h: tf.Tensor, bottom_up: BottomUp, z: tf.Tensor
) -> tf.Tensor:
    return level.posterior(h, bottom_up).score(z)
