"""Held-out likelihood: the ELBO and the importance-weighted bound of every image.

Lucas & Verbeek 2018, section 4: 150 samples; Burda et al. 2016.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.evaluation.image_scores import ImageScores, importance_weighted_bound
from agave_tf.evaluation.memory import check_memory
from agave_tf.evaluation.pieces import PieceBatch, Pieces, piece_batches, pieces_of
from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.layers.weight_norm import kernels_computed_once
from agave_tf.models.image_model import ImageModel
from agave_tf.progress_bar import progress_bar
from agave_tf.randomness import ImageDraws, Stream, fold_in, stream
from agave_tf.weights.skeletons import function_of_weights

# Images of more sizes than this share graphs that know no size.
_MOST_GRAPHS = 4


class _OneDevice:
    """The present device alone, which gets whole batches."""

    count = 1

    def using_kernels_of(self, model: ImageModel) -> AbstractContextManager:
        """A context for calls of `run`, in which kernels are computed once for all."""
        return kernels_computed_once(model)

    def split(self, rows: tf.Tensor) -> Any:
        """Gives each device its share of the rows [B,...]; B is a multiple."""
        return rows

    def run(self, function: Callable, *arguments: Any) -> Any:
        """Calls a function on every device, with what `split` or `run` returned.

        Args:
          function: the same object at every call, or it is compiled again.
          *arguments: shares of the devices, or values that are the same for all.
        """
        return function(*arguments)

    def join(self, shares: Any) -> tf.Tensor:
        """Puts the shares of a tensor together again, rows in their order."""
        return shares


class _Replicas(_OneDevice):
    """The devices of one process that evaluate together, a share of the rows on each.

    Args:
      strategy: has the devices.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy, self.count = strategy, strategy.num_replicas_in_sync
        # Compiled once, because a strategy that runs eagerly is slow.
        self._compiled = functools.cache(self._compile)

    def using_kernels_of(self, model: ImageModel) -> AbstractContextManager:
        return contextlib.nullcontext()  # Each device has weights of its own.

    def split(self, rows: tf.Tensor) -> Any:
        shares = tf.split(rows, self.count)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: shares[context.replica_id_in_sync_group]
        )

    def run(self, function: Callable, *arguments: Any) -> Any:
        return self._compiled(function)(*arguments)

    def join(self, shares: Any) -> tf.Tensor:
        return tf.concat(self._strategy.experimental_local_results(shares), axis=0)

    def _compile(self, function: Callable) -> Callable:
        return tf.function(
            lambda *arguments: self._strategy.run(function, args=arguments),
            autograph=False,
        )


class Evaluator:
    """Computes the scores of a model; compiles once for all models of an architecture.

    Images may have any sizes, each its own. Those of one size are computed together; if
    there are many sizes, one compiled function serves all of them.

    Args:
      model: the model, or a skeleton within `using_weights`.
      batch_size: images of the model's own size at a time on each device; as many
        pixels of larger ones, but at least one image. Memory grows with it, and with
        the largest image or tile.
      strategy: devices of this process that share the work, under whose scope the model
        was made; None: the present device alone. It does not change the scores.
    """

    def __init__(
        self,
        model: ImageModel,
        batch_size: int,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.model, self._replicas = model, _OneDevice()
        if strategy and strategy.num_replicas_in_sync > 1:
            self._replicas = _Replicas(strategy)
        self._batch_size = batch_size
        self._sized = functools.cache(functools.partial(_Sized, model))

    def scores(
        self,
        images: Images,
        num_importance_samples: int,
        seed: int = 0,
        max_images: int = 0,
        progress: str = "",
        tile_size: tuple[int, int] | None = None,
    ) -> ImageScores:
        """Scores of images, each counted once.

        The noise of an image's s-th sample follows from `seed`, s and the image's place
        in the data set: batch size and order change nothing.

        Args:
          images: the data set.
          num_importance_samples: S.
          seed: seed of the noise.
          max_images: number of images to score, chosen by `Images.choose`; 0: all.
          progress: caption of a progress bar, or of lines of the log where there is no
            terminal; empty: none.
          tile_size: (height, width) of tiles that larger images are cut into and scored
            by, each tile as if it were alone; None: whole images.

        Raises:
          InputError: the model needs labels, and the images lack them or have others;
            or an image is too large for the memory, and `tile_size` is None.
        """
        images.check_labels(self.model.num_classes)
        num_samples = num_importance_samples if self.model.latent_shapes else 1
        places = images.choose(max_images)
        pieces = pieces_of(images, places, tile_size)
        height, width = pieces.size[pieces.size.prod(axis=1).argmax()]
        check_memory(self.model, (int(height), int(width)))
        rows = []
        shown = progress_bar(
            progress,
            len(pieces.image),
            "image" if len(pieces.image) == len(places) else "tile",
            disable=not progress,
        )
        with shown as bar, self._replicas.using_kernels_of(self.model):
            for sized, batch in self._batches(images, pieces):
                rows.append(self._batch_scores(sized, batch, num_samples, seed))
                bar.update(len(batch.image))
        found = ImageScores(*(np.concatenate(values) for values in zip(*rows)))
        return found.of_images(places, images.sizes[places])

    def _batches(
        self, images: Images, pieces: Pieces
    ) -> Iterator[tuple["_Sized", PieceBatch]]:
        """The batches of all sizes, each with the functions that compute it."""
        groups, num_devices = pieces.groups(), self._replicas.count
        own_size = self.model.image_shape[:2]
        # A model of any size takes them one by one.
        own_pixels = 0 if None in own_size else math.prod(own_size)
        num_pixels = self._batch_size * own_pixels
        is_mixed = len(groups) > _MOST_GRAPHS
        for group in groups:
            height, width = map(int, group.size[0])
            sized = self._sized((None, None) if is_mixed else (height, width))
            fits = min(self._batch_size, max(1, num_pixels // (height * width)))
            for batch in piece_batches(
                images, group, fits * num_devices, num_devices, fills=not is_mixed
            ):
                yield sized, batch

    def _batch_scores(
        self, sized: "_Sized", batch: PieceBatch, num_samples: int, seed: int
    ) -> ImageScores:
        replicas = self._replicas
        image, label, index = (replicas.split(rows) for rows in batch[:3])
        features = replicas.run(sized.encode, image)
        evaluation_seed = stream(seed, Stream.EVALUATION)
        draws = []
        for sample in range(num_samples):
            sample_seed = fold_in(evaluation_seed, sample)
            terms = replicas.run(
                sized.terms_of_sample, image, features, label, sample_seed, index
            )
            draws.append([replicas.join(term).numpy() for term in terms])
        terms = type(terms)(*(np.stack(values) for values in zip(*draws, strict=True)))
        log_weights = self.model.bound(terms)
        # [S,B,...] -> [B,...]
        means = {name: nats.mean(0) for name, nats in terms._asdict().items()}
        none = np.zeros(log_weights.shape[1:], np.float32)
        scores = ImageScores(
            index=batch.image,
            log_likelihood=log_weights.mean(0),
            bound=importance_weighted_bound(tf.constant(log_weights.T)).numpy(),
            primary_reconstruction=means.get("primary_reconstruction", none),
            auxiliary_reconstruction=means.get("auxiliary_reconstruction", none),
            kl=means.get("kl", none),
            kl_per_level=means.get("kl_per_level", none[:, None][:, :0]),
            size=np.zeros([len(none), 2], np.int32),
        )
        return ImageScores(*(score[: len(batch.image)] for score in scores))


class _Sized:
    """The functions of a model for images of one size, or of any size.

    Args:
      model: of any size.
      size: as `ImageModel.of_size` takes it.
    """

    def __init__(self, model: ImageModel, size: tuple[int, int] | tuple[None, None]):
        model = model.of_size(size)
        # The same objects at every call, as `_Replicas.run` needs them.
        self.encode = functools.partial(_encode, model)
        self.terms_of_sample = functools.partial(terms_of_sample, model)


# A model of any size meets shapes that its first graph does not know.
@function_of_weights(reduce_retracing=True)
def _encode(model: ImageModel, image: tf.Tensor) -> list[BottomUp]:
    return model.encode(image)


@function_of_weights(reduce_retracing=True)
def terms_of_sample(
    model: ImageModel,
    image: tf.Tensor,
    features: Sequence[BottomUp],
    label: tf.Tensor | None,
    seed: tf.Tensor,
    index: tf.Tensor,
) -> Any:
    """The terms of one draw of z for each image, [B] nats.

    Args:
      model: the model.
      image: uint8 [B,H,W,C].
      features: from the model's `encode`, which all samples share.
      label: int32 [B], read by a class-conditional model only.
      seed: int32 [2], of this sample.
      index: int32 [B]; row i of the noise follows from `seed` and index[i].
    """
    draws = ImageDraws(seed, index)
    return model.terms_given_features(image, features, draws, label)
