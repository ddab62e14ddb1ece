"""The functions of an exported model.

docs/export.md lists them, with shapes and units.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from agave_tf.evaluation.evaluator import terms_of_sample
from agave_tf.evaluation.image_scores import importance_weighted_bound
from agave_tf.layers.convolution import sides_of
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.objective import Terms
from agave_tf.models.padding import cells_of, cut, pad_to
from agave_tf.models.parts import bits_per_dim
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels, to_unit_range
from agave_tf.randomness import Stream, fold_in, stream
from agave_tf.sampling.draw_images import draw_batch, pixel_seed

_NUMBER = tf.TensorSpec([], tf.int32)


class Signature(NamedTuple):
    """A function of the exported model, and its arguments by name."""

    function: Callable[..., dict[str, tf.Tensor]]
    arguments: dict[str, tf.TensorSpec]


class ExportedModel(tf.Module):
    """The functions of a model; the number of images B is free in all of them.

    So are the sizes of the images and latents that they take, from 1x1 up. What the
    PixelCNN++ draws has one size, because XLA compiles the sampler for it.

    Args:
      model: with the weights to export, of the size of the images to draw.
      sampling_batch_size: images that the PixelCNN++ draws at a time; it affects speed
        and memory only.
    """

    def __init__(self, model: ImageModel, sampling_batch_size: int):
        super().__init__(name="agave")
        self._model, self._sampling_batch_size = model, sampling_batch_size
        self._of_any_size = model.of_size((None, None))
        # A tf.Module does not find the variables of a Keras layer by itself.
        self._variables = [weight.value for weight in model.weights]

    def signatures(self, has_free_size: bool = True) -> dict[str, Signature]:
        """The functions that the model's parts allow, by name.

        Args:
          has_free_size: whether the arguments' sizes are free where they can be; False:
            they are those of the model's own size.
        """
        model = self._of_any_size if has_free_size else self._model
        image = {"images": tf.TensorSpec([None, *model.image_shape], tf.uint8)}
        seed = {"seed": _NUMBER}
        label = {"labels": tf.TensorSpec([None], tf.int32)} if model.num_classes else {}
        evaluated = {**image, **label, "num_samples": _NUMBER, **seed}
        signatures = {
            "log_likelihood": Signature(self._log_likelihood, evaluated),
            "sample": Signature(self._sample, (label or {"count": _NUMBER}) | seed),
        }
        if not isinstance(model, LatentVariableModel):
            return signatures
        zs = {
            _name_of_z(level): tf.TensorSpec([None, *shape], tf.float32)
            for level, shape in enumerate(model.latent_shapes)
        }
        latents = _Latents(self._of_any_size)
        signatures["encode"] = Signature(latents.encode, image)
        signatures["reconstruct"] = Signature(latents.reconstruct, image)
        signatures["decode"] = Signature(latents.decode, zs)
        if isinstance(self._model, AGAVE):
            y = tf.TensorSpec([None, *self._model.auxiliary_shape], tf.uint8)
            signatures["sample_given_auxiliary"] = Signature(
                self._sample_given_auxiliary, {"auxiliary_images": y, **label, **seed}
            )
        return signatures

    def _log_likelihood(
        self,
        images: tf.Tensor,
        num_samples: tf.Tensor,
        seed: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        model = self._of_any_size
        features, index = model.encode(images), tf.range(tf.shape(images)[0])
        evaluation_seed = stream(seed, Stream.EVALUATION)

        def draw(sample: tf.Tensor) -> Terms:
            sample_seed = fold_in(evaluation_seed, sample)
            return terms_of_sample(model, images, features, labels, sample_seed, index)

        per_image = tf.nest.map_structure(
            lambda term: tf.TensorSpec([None, *term.shape], tf.float32),
            model.zero_terms(),
        )
        terms = tf.map_fn(
            draw,
            # A PixelCNN++ alone has no z to draw: every sample is the same.
            tf.range(num_samples if model.latent_shapes else 1),
            fn_output_signature=per_image,
            parallel_iterations=1,
        )
        log_weights = model.bound(terms)  # [S,B]
        nats = importance_weighted_bound(tf.transpose(log_weights))
        means = tf.nest.map_structure(lambda term: tf.reduce_mean(term, axis=0), terms)
        parts = {part.name for part in self._model.parts(means)}
        return {
            "nats": nats,
            "bits_per_dim": bits_per_dim(nats, self._num_dims(images)),
            "elbo": tf.reduce_mean(log_weights, axis=0),
            **{k: value for k, value in means._asdict().items() if k in parts},
        }

    def _num_dims(self, images: tf.Tensor) -> tf.Tensor:
        """The dimensions of what the likelihood is about, float32."""
        size = [tf.convert_to_tensor(side) for side in sides_of(images)]
        return tf.cast(self._of_any_size.dims_of(size), tf.float32)

    def _sample(
        self,
        seed: tf.Tensor,
        count: tf.Tensor | None = None,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        index = tf.range(count if labels is None else tf.shape(labels)[0])
        f_z = self._model.sample_prior(stream(seed, Stream.PRIOR), index).f_z
        pictures = {}
        if f_z.shape[-1]:
            pictures = _pictures_of(cut(f_z, self._model.auxiliary_shape[:2]))
        if isinstance(self._model, AutoregressiveModel):
            pictures["images"] = self._finished(self._model, index, seed, f_z, labels)
        return pictures

    def _sample_given_auxiliary(
        self,
        auxiliary_images: tf.Tensor,
        seed: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        index = tf.range(tf.shape(auxiliary_images)[0])
        f_z = to_unit_range(pad_to(auxiliary_images, self._model.f_z_shape[:2]))
        assert isinstance(self._model, AutoregressiveModel)
        return {"images": self._finished(self._model, index, seed, f_z, labels)}

    def _finished(
        self,
        model: AutoregressiveModel,
        index: tf.Tensor,
        seed: tf.Tensor,
        f_z: tf.Tensor,
        labels: tf.Tensor | None,
    ) -> tf.Tensor:
        """Draws uint8 [B,H,W,C] with the noise of `draw_images`."""
        batch = self._sampling_batch_size
        count = tf.shape(index)[0]
        rows = tf.range(-(-count // batch) * batch)
        # Filled up with the last image, so that every batch has the compiled size.
        rows = tf.reshape(tf.minimum(rows, count - 1), [-1, batch])

        def draw(rows: tf.Tensor) -> tf.Tensor:
            return draw_batch(
                model,
                tf.gather(index, rows),
                pixel_seed(seed),
                tf.constant(1.0),
                tf.gather(f_z, rows),
                None if labels is None else tf.gather(labels, rows),
            )

        drawn = tf.map_fn(
            draw,
            rows,
            fn_output_signature=tf.TensorSpec([batch, *model.image_shape], tf.uint8),
            parallel_iterations=1,
        )
        return tf.reshape(drawn, [-1, *model.image_shape])[:count]


class _Latents:
    """The functions that encode images to z, and decode z to f(z).

    Args:
      model: the exported model, of any size.
    """

    def __init__(self, model: LatentVariableModel):
        self._model = model

    def encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        zs = self._model.mean_latents(images)
        flat = [
            tf.reshape(z, [tf.shape(z)[0], tf.reduce_prod(tf.shape(z)[1:])]) for z in zs
        ]
        named = {_name_of_z(level): z for level, z in enumerate(zs)}
        return {**named, "features": tf.concat(flat, axis=1)}

    def reconstruct(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        f_z = self._model.vae.decode(self._model.mean_latents(images))
        factor = self._model.config.auxiliary.auxiliary_downsampling
        return _pictures_of(cut(f_z, cells_of(sides_of(images), factor)))

    def decode(self, **zs: tf.Tensor) -> dict[str, tf.Tensor]:
        levels = [zs[_name_of_z(level)] for level in range(len(zs))]
        return _pictures_of(self._model.vae.decode(levels))


def _pictures_of(f_z: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"f_z": f_z, "f_z_images": to_levels(f_z)}


def _name_of_z(level: int) -> str:
    return f"z_{level:02d}"
