"""A linear probe: how well a linear classifier tells classes from the latents.

The classifier is ridge regression onto the labels, one output for each class, in closed
form. The strength of the ridge is chosen on a tenth of the training images.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from agave_tf.data.batches import evaluation_batches
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.ridge_classifier import classify, fit
from agave_tf.models.iaf_vae import PosteriorOutput
from agave_tf.models.image_model import ImageModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.progress_bar import progress_bar
from agave_tf.randomness import Stream, stream
from agave_tf.weights.skeletons import function_of_weights

# Classes that a warning names at most.
_NUM_NAMED = 10


class ProbeScore(NamedTuple):
    """The accuracy of a classifier of one kind of features."""

    features: str  # the kind
    num_features: int  # D
    # [M] whether the class of a held-out image is right, bool. Where an image has no
    # label, float32: 1, 0, and NaN for that image.
    is_right: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the held-out images with a label whose class is right."""
        return float(np.nanmean(self.is_right, dtype=np.float64))


def probe(
    model: ImageModel, train: Images, held_out: Images, seed: int, batch_size: int = 50
) -> list[ProbeScore]:
    """Accuracies with raw pixels, with z and with f(z).

    Two kinds of z are shown. Those with zero noise ("z, mean") a classifier can tell
    apart even where noise would hide them; with the flow they are not the means of
    q(z|x). Draws hold the information that the KL pays for. f(z) is made from the
    draws.

    A negative label stands for none: such images are left out. A held-out image of a
    class that no training image has counts as wrong. A warning counts either.

    Every pass over the images makes the features of one kind anew, so that only blocks
    of them are in memory (`ridge_classifier`).

    Args:
      model: a model with a VAE.
      train: images with labels to fit the classifiers to.
      held_out: images with labels to judge them by.
      seed: seed of the draws.
      batch_size: images at a time.

    Raises:
      InputError: no VAE, or too few images with labels.
    """
    if not isinstance(model, LatentVariableModel):
        raise InputError("`probe` must have a run with a VAE; this one has none.")
    train_places, train_label = _labelled(train, "training", at_least=2)
    places, label = _labelled(held_out, "held-out", at_least=1)
    known, classes = np.unique(train_label, return_inverse=True)
    _say_unknown(label, known)
    scores = []
    for kind in _KINDS:
        train_features = _Features(
            model, kind, train, stream(seed, Stream.PROBE_TRAIN), batch_size
        )
        train_features = train_features.relative_to(train_features.first(train_places))
        fitted = fit(train_features, train_places, classes)
        held_out_features = train_features._replace(
            images=held_out, seed=stream(seed, Stream.PROBE_TEST)
        )
        is_right = known[classify(fitted, held_out_features, places)] == label
        if len(places) < len(held_out.image):
            among_all = np.full(len(held_out.image), np.nan, np.float32)
            among_all[places] = is_right
            is_right = among_all
        scores.append(ProbeScore(kind, train_features.num_features, is_right))
    return scores


class _Labelled(NamedTuple):
    """The images of a set that have a label."""

    places: np.ndarray  # int32 [N], in the set
    label: np.ndarray  # int32 [N]


def _labelled(images: Images, name: str, at_least: int) -> _Labelled:
    """Finds the images with a label; warns of those without one."""
    if images.label is None:
        raise InputError("`probe` must have images with labels; these have none.")
    places = np.flatnonzero(images.label >= 0).astype(np.int32)
    total = len(images.label)
    if len(places) < at_least:
        raise InputError(
            f"`probe` must have images with labels, at least {at_least} {name} ones; "
            f"got {len(places)}, and {total - len(places)} with a negative label, "
            "which stands for none."
        )
    if len(places) < total:
        logging.warning(
            "The probe leaves out %d of %d %s images, which have no label (a negative "
            "one).",
            total - len(places),
            total,
            name,
        )
    return _Labelled(places, images.label[places])


def _say_unknown(label: np.ndarray, known: np.ndarray) -> None:
    """Warns of held-out images whose classes no training image has."""
    is_unknown = ~np.isin(label, known)
    if is_unknown.any():
        unknown = np.unique(label[is_unknown])
        named = ", ".join(map(str, unknown[:_NUM_NAMED]))
        logging.warning(
            "%d of %d held-out images of the probe have labels that no training image "
            "has, and count as wrong: %s%s.",
            is_unknown.sum(),
            len(label),
            named,
            " and others" if len(unknown) > _NUM_NAMED else "",
        )


class _Features(NamedTuple):
    """Features of one kind, relative to `origin`; made anew at every pass."""

    model: LatentVariableModel  # with a VAE
    kind: str  # a key of `_KINDS`
    images: Images
    seed: tf.Tensor  # int32 [2], of the draws
    batch_size: int
    # Float64 [D], subtracted from all features: otherwise the square of what all images
    # share would hide their differences.
    origin: np.ndarray = np.zeros(0)

    @property
    def num_features(self) -> int:
        """The number of features of an image, D."""
        return len(self.origin)

    def relative_to(self, origin: np.ndarray) -> "_Features":
        """The same features with another origin."""
        return self._replace(origin=origin)

    def first(self, places: np.ndarray) -> np.ndarray:
        """The features of the image at the first place, without origin, float64 [D]."""
        return next(self._batches(places[:1]))[0].astype(np.float64)

    def blocks(self, places: np.ndarray, num_bytes: int) -> Iterator[np.ndarray]:
        """Yields the features of whole batches, as `ridge_classifier.Features` asks."""
        batches_fit = num_bytes // (8 * self.num_features * self.batch_size)
        rows = max(1, batches_fit) * self.batch_size
        bar = progress_bar(f"Probing {self.kind}", len(places))
        for first in range(0, len(places), rows):
            block = np.empty([min(rows, len(places) - first), self.num_features])
            start = 0
            for batch in self._batches(places[first : first + rows]):
                block[start : start + len(batch)] = batch - self.origin
                start += len(batch)
                bar.update(len(batch))
            yield block
        bar.close()

    def _batches(self, places: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the features of every batch, float32 [n,D]."""
        features_of = _KINDS[self.kind]
        for batch in evaluation_batches(self.images, self.batch_size, places):
            parts = features_of(self.model, batch.image, self.seed, batch.index)
            flat = [np.reshape(part, [len(part), -1]) for part in parts]
            yield np.concatenate(flat, axis=1)[: batch.num_valid]


@function_of_weights()
def _means(
    model: LatentVariableModel, image: tf.Tensor, seed: tf.Tensor, index: tf.Tensor
) -> list[tf.Tensor]:
    return model.mean_latents(image)


@function_of_weights()
def _draws(
    model: LatentVariableModel, image: tf.Tensor, seed: tf.Tensor, index: tf.Tensor
) -> PosteriorOutput:
    return model.sample_posterior(image, seed, index)


# The kinds of features: functions of a model, image uint8 [B,H,W,C], seed and index
# that give tensors [B,...]. The names are keys of score files.
_KINDS: dict[str, Callable[..., list[tf.Tensor]]] = {
    "pixels": lambda model, image, *_: [tf.cast(image, tf.float32) / 255],
    "z, mean": _means,
    "z, drawn": lambda *inputs: _draws(*inputs).zs,
    "f(z)": lambda *inputs: [_draws(*inputs).f_z],
}
