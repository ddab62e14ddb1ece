"""Held-out likelihood: the ELBO and the importance-weighted bound of every image.

Lucas & Verbeek 2018, section 4: 150 samples; Burda et al. 2016.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from agave_tf.data.batches import EvaluationBatch, evaluation_batches
from agave_tf.data.image_set import Images
from agave_tf.evaluation.bound import bits_per_dim, importance_weighted_bound
from agave_tf.models.agave import AGAVE, ImageDraws
from agave_tf.models.objective import AGAVETerms, auxiliary_elbo, count_dims, elbo
from agave_tf.randomness import fold_in, seed_tensor


class ImageScores(NamedTuple):
    """What is known of each of N images, in nats; means over the S samples but `bound`.

    `log_likelihood` is of x; for the VAE alone, of y.
    """

    log_likelihood: np.ndarray  # [N] the ELBO; exact for the PixelCNN++ alone
    bound: np.ndarray  # [N] importance-weighted over the S samples
    primary_reconstruction: np.ndarray  # [N]
    auxiliary_reconstruction: np.ndarray  # [N]
    kl: np.ndarray  # [N]
    kl_per_level: np.ndarray  # [N,L], from the top


class Score(NamedTuple):
    """A mean over images, in bits/dim."""

    name: str
    mean: float
    standard_error: float


class Evaluator:
    """Computes the scores of a model; compiles once, whatever is evaluated.

    Args:
      model: read at every call, so that it can go on training in between.
      batch_size: images at a time; memory grows with it, and with nothing else.
    """

    def __init__(self, model: AGAVE, batch_size: int):
        self.model, self.batch_size = model, batch_size
        self._encode = tf.function(model.encode, autograph=False)
        self._sample: Callable[..., AGAVETerms] = tf.function(
            lambda image, features, label, seed, index: model.terms_given_features(
                image, features, ImageDraws(seed, index), label
            ),
            autograph=False,
        )

    def scores(
        self,
        images: Images,
        num_importance_samples: int,
        seed: int = 0,
        max_images: int = 0,
        progress: str = "",
    ) -> ImageScores:
        """Scores of the first `max_images` images (0: all), each counted once.

        The noise of an image's s-th sample follows from `seed`, s and the image's place
        in the data set: batch size and order change nothing.

        Args:
          images: to score.
          num_importance_samples: S.
          seed: of the noise.
          max_images: how many.
          progress: caption of a progress bar; empty: none.
        """
        num_samples = num_importance_samples if self.model.vae is not None else 1
        total = min(max_images or len(images.image), len(images.image))
        rows = []
        with tqdm.tqdm(
            total=total, desc=progress, unit="image", disable=not progress or None
        ) as bar:
            for batch in evaluation_batches(images, self.batch_size, max_images):
                rows.append(self._batch_scores(batch, num_samples, seed))
                bar.update(batch.num_valid)
        return ImageScores(*(np.concatenate(values) for values in zip(*rows)))

    def _batch_scores(
        self, batch: EvaluationBatch, num_samples: int, seed: int
    ) -> ImageScores:
        features = self._encode(batch.image)
        draws = []
        for sample in range(num_samples):
            sample_seed = fold_in(seed_tensor(seed), sample)
            terms = self._sample(
                batch.image, features, batch.label, sample_seed, batch.index
            )
            draws.append(AGAVETerms(*(term.numpy() for term in terms)))
        terms = AGAVETerms(*(np.stack(values) for values in zip(*draws, strict=True)))
        log_weights = (elbo if self.model.pixel_cnn is not None else auxiliary_elbo)(
            terms
        )
        scores = ImageScores(
            log_likelihood=log_weights.mean(0),
            bound=importance_weighted_bound(tf.constant(log_weights.T)).numpy(),
            primary_reconstruction=terms.primary_reconstruction.mean(0),
            auxiliary_reconstruction=terms.auxiliary_reconstruction.mean(0),
            kl=terms.kl.mean(0),
            kl_per_level=terms.kl_per_level.mean(0),
        )
        return ImageScores(*(score[: batch.num_valid] for score in scores))


def summarize(
    scores: ImageScores, model: AGAVE, num_importance_samples: int
) -> list[Score]:
    """The scores of a data set in bits/dim; the parts add up to bits_per_dim.

    bits_per_dim = reconstruction + kl, and kl = the sum over levels. With both
    decoders the auxiliary reconstruction, per dimension of y, stands beside and is no
    part of the sum.
    """
    dims = count_dims(model.image_shape)
    auxiliary_dims = count_dims(model.auxiliary_shape)
    if model.pixel_cnn is None:
        dims = auxiliary_dims

    def score(name: str, nats: np.ndarray, num_dims: int = dims) -> Score:
        bits = bits_per_dim(nats.astype(np.float64), num_dims)
        error = bits.std(ddof=1) / math.sqrt(len(bits)) if len(bits) > 1 else math.nan
        return Score(name, float(bits.mean()), float(error))

    result = [score("bits_per_dim", scores.log_likelihood)]
    if model.vae is not None and num_importance_samples > 1:
        name = f"bits_per_dim_{num_importance_samples}_samples"
        result.append(score(name, scores.bound))
    if model.pixel_cnn is not None:
        name = "primary_reconstruction"
        result.append(score(name, scores.primary_reconstruction))
    if model.vae is not None:
        name = "auxiliary_reconstruction"
        result.append(score(name, scores.auxiliary_reconstruction, auxiliary_dims))
        result.append(score("kl", -scores.kl))
        result += [
            score(f"kl_level_{level}", -scores.kl_per_level[:, level])
            for level in range(scores.kl_per_level.shape[1])
        ]
    return result
