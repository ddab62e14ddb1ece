"""A linear probe: how well a linear classifier tells classes from the latents.

The classifier is ridge regression onto the labels, one output for each class, in closed
form. The strength of the ridge is chosen on a tenth of the training images.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from agave_tf.data.batches import evaluation_batches
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.architecture import function_of_weights
from agave_tf.randomness import Stream, choice_generator, stream

# Strengths to choose from, in units of the features' mean variance times N.
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


class ProbeScore(NamedTuple):
    """The accuracy of a classifier of one kind of features."""

    features: str  # the kind
    num_features: int  # D
    is_right: np.ndarray  # bool [M], whether the class of a held-out image is right

    @property
    def accuracy(self) -> float:
        """The share of the held-out images whose class is right."""
        return float(self.is_right.mean())


def probe(
    model: AGAVE, train: Images, held_out: Images, seed: int, batch_size: int = 50
) -> list[ProbeScore]:
    """Accuracies with raw pixels, with z and with f(z).

    Two kinds of z are shown: the means of q(z|x), which a classifier can tell apart
    even where noise hides them, and draws, which hold the information that the KL pays
    for. f(z) is made from the draws.

    Args:
      model: a model with a VAE.
      train: images with labels to fit the classifiers to.
      held_out: images with labels to judge them by.
      seed: seed of the draws.
      batch_size: images at a time.

    Raises:
      InputError: no VAE, or no labels.
    """
    if model.vae is None:
        raise InputError("`probe` must have a run with a VAE; this one has none.")
    if train.label is None or held_out.label is None:
        raise InputError("`probe` must have images with labels; these have none.")
    streams = (Stream.PROBE_TRAIN, Stream.PROBE_TEST)
    features = [
        _features(model, images, stream(seed, name), batch_size)
        for images, name in zip((train, held_out), streams, strict=True)
    ]
    return [
        ProbeScore(
            name,
            values.shape[1],
            _fit_and_judge(values, train.label, features[1][name], held_out.label),
        )
        for name, values in features[0].items()
    ]


def _features(
    model: AGAVE, images: Images, seed: tf.Tensor, batch_size: int
) -> dict[str, np.ndarray]:
    """[N,D] for each kind of features."""

    def batches() -> Iterator[dict[str, np.ndarray]]:
        for batch in evaluation_batches(images, batch_size, images.choose(0)):
            yield {
                name: np.concatenate(
                    [part.numpy().reshape(batch_size, -1) for part in parts], axis=1
                )[: batch.num_valid]
                for name, parts in _features_of_batch(
                    model, batch.image, seed, batch.index
                ).items()
            }

    bar = tqdm.tqdm(
        batches(), "Probing", -(-len(images.image) // batch_size), disable=None
    )
    rows = list(bar)
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


@function_of_weights()
def _features_of_batch(
    model: AGAVE, image: tf.Tensor, seed: tf.Tensor, index: tf.Tensor
) -> dict[str, list[tf.Tensor]]:
    drawn = model.sample_posterior(image, seed, index)
    assert drawn is not None  # Only a model with a VAE is probed.
    return {
        "pixels": [tf.cast(image, tf.float32) / 255],
        "z, mean": model.mean_latents(image),
        "z, drawn": drawn.zs,
        "f(z)": [drawn.f_z],
    }


def _fit_and_judge(
    train: np.ndarray,
    train_label: np.ndarray,
    held_out: np.ndarray,
    held_out_label: np.ndarray,
) -> np.ndarray:
    """Bool [M]: which held-out images, features [M,D], the classifier gets right.

    It is fitted to `train` [N,D]. A random tenth of these chooses the ridge, because
    the images may be sorted by class.
    """
    order = choice_generator().permutation(len(train))
    train, train_label = train[order], train_label[order]
    for_ridge = max(1, len(train) // 10)
    chosen = max(
        _RIDGES,
        key=lambda ridge: _is_right(
            _fit(train[for_ridge:], train_label[for_ridge:], ridge),
            train[:for_ridge],
            train_label[:for_ridge],
        ).mean(),
    )
    fitted = _fit(train, train_label, chosen)
    return _is_right(fitted, held_out, held_out_label)


class _Classifier(NamedTuple):
    center: np.ndarray  # [D]
    weights: np.ndarray  # [D,K]
    bias: np.ndarray  # [K]


def _fit(features: np.ndarray, label: np.ndarray, ridge: float) -> _Classifier:
    num, dims = features.shape
    center = features.mean(axis=0)
    x = features - center
    targets = np.eye(label.max() + 1)[label]
    bias = targets.mean(axis=0)
    strength = ridge * num * max(np.square(x).mean(), np.finfo(np.float32).tiny)
    # The same weights from the smaller of two systems of equations.
    if dims <= num:
        gram = (x.T @ x).astype(np.float64) + strength * np.eye(dims)
        weights = np.linalg.solve(gram, x.T @ (targets - bias))
    else:
        gram = (x @ x.T).astype(np.float64) + strength * np.eye(num)
        weights = x.T @ np.linalg.solve(gram, targets - bias)
    return _Classifier(center, weights, bias)


def _is_right(
    classifier: _Classifier, features: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Bool [M]: whether the class of each row of features [M,D] is its label."""
    scores = (features - classifier.center) @ classifier.weights + classifier.bias
    return scores.argmax(axis=1) == label
