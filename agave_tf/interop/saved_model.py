"""A trained model as a SavedModel, which runs where agave_tf is not installed.

Its signatures are listed, with shapes and units, in docs/export.md.
"""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

import tensorflow as tf

import agave_tf
from agave_tf.data.pixel_scale import to_levels, to_unit_range
from agave_tf.errors import InputError
from agave_tf.evaluation.bound import bits_per_dim, importance_weighted_bound
from agave_tf.models.agave import AGAVE, ImageDraws
from agave_tf.models.objective import auxiliary_elbo, count_dims, elbo
from agave_tf.pictures.rows import PRIOR_NOISE
from agave_tf.randomness import fold_in, seed_tensor
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.draw_images import pixel_draws, pixel_seed

# Beside the model, in the directory that TensorFlow leaves to us.
DESCRIPTION_FILE = os.path.join("assets.extra", "agave_tf.json")

_NUMBER = tf.TensorSpec([], tf.int32)


class Signature(NamedTuple):
    """A function of the SavedModel and what it takes, by name."""

    function: Callable[..., dict[str, tf.Tensor]]
    arguments: dict[str, tf.TensorSpec]


class ExportedModel(tf.Module):
    """What a SavedModel computes; the number of images B is free everywhere.

    Args:
      model: with the weights to export.
      sampling_batch_size: images that the PixelCNN++ draws at a time; changes nothing
        but speed and memory.
    """

    def __init__(self, model: AGAVE, sampling_batch_size: int):
        super().__init__(name="agave")
        self._model, self._sampling_batch_size = model, sampling_batch_size
        # A tf.Module does not see the variables of a Keras layer.
        self._variables = [weight.value for weight in model.weights]

    def signatures(self) -> dict[str, Signature]:
        """Those that make sense for the parts the model has, by name."""
        model = self._model
        image = {"images": tf.TensorSpec([None, *model.image_shape], tf.uint8)}
        label = {}
        if model.pixel_cnn is not None and model.config.pixel_cnn.num_classes:
            label = {"labels": tf.TensorSpec([None], tf.int32)}
        evaluated = {**image, **label, "num_samples": _NUMBER, "seed": _NUMBER}
        drawn = {**(label or {"count": _NUMBER}), "seed": _NUMBER}
        signatures = {
            "log_likelihood": Signature(self._log_likelihood, evaluated),
            "sample": Signature(self._sample, drawn),
        }
        if model.vae is not None:
            zs = {
                _name_of_z(level): tf.TensorSpec([None, *shape], tf.float32)
                for level, shape in enumerate(model.vae.latent_shapes)
            }
            signatures["encode"] = Signature(self._encode, image)
            signatures["reconstruct"] = Signature(self._reconstruct, image)
            signatures["decode"] = Signature(self._decode, zs)
            if model.pixel_cnn is not None:
                shape = [None, *model.auxiliary_shape]
                auxiliary = {"auxiliary_images": tf.TensorSpec(shape, tf.uint8)}
                signatures["sample_given_auxiliary"] = Signature(
                    self._sample_given_auxiliary,
                    {**auxiliary, **label, "seed": _NUMBER},
                )
        return signatures

    def _encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        zs = self._model.mean_latents(images)
        flat = [tf.reshape(z, [tf.shape(z)[0], z.shape[1:].num_elements()]) for z in zs]
        named = {_name_of_z(level): z for level, z in enumerate(zs)}
        return {**named, "features": tf.concat(flat, axis=1)}

    def _reconstruct(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return _pictures_of(self._model.vae.decode(self._model.mean_latents(images)))

    def _decode(self, **zs: tf.Tensor) -> dict[str, tf.Tensor]:
        levels = [zs[_name_of_z(level)] for level in range(len(zs))]
        return _pictures_of(self._model.vae.decode(levels))

    def _log_likelihood(
        self,
        images: tf.Tensor,
        num_samples: tf.Tensor,
        seed: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        model = self._model
        features, index = model.encode(images), tf.range(tf.shape(images)[0])
        bound = auxiliary_elbo if model.pixel_cnn is None else elbo

        # Of one draw of z: its importance weight and its parts, [4,B].
        def draw(sample: tf.Tensor) -> tf.Tensor:
            draws = ImageDraws(fold_in(seed_tensor(seed), sample), index)
            terms = model.terms_given_features(images, features, draws, labels)
            return tf.stack([bound(terms), *terms[:3]])

        # A PixelCNN++ alone has nothing to draw.
        count = num_samples if model.vae is not None else 1
        drawn = tf.map_fn(
            draw,
            tf.range(count),
            fn_output_signature=tf.TensorSpec([4, None], tf.float32),
            parallel_iterations=1,
        )
        log_weights, primary, auxiliary, kl = tf.unstack(drawn, axis=1)
        nats = importance_weighted_bound(tf.transpose(log_weights))
        result = {
            "nats": nats,
            "bits_per_dim": bits_per_dim(nats, self._num_dims()),
            "elbo": tf.reduce_mean(log_weights, axis=0),
        }
        if model.pixel_cnn is not None:
            result["primary_reconstruction"] = tf.reduce_mean(primary, axis=0)
        if model.vae is not None:
            result["auxiliary_reconstruction"] = tf.reduce_mean(auxiliary, axis=0)
            result["kl"] = tf.reduce_mean(kl, axis=0)
        return result

    def _sample(
        self,
        seed: tf.Tensor,
        count: tf.Tensor | None = None,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        model = self._model
        index = tf.range(count if labels is None else tf.shape(labels)[0])
        if model.vae is None:
            return {"images": self._finished(index, seed, None, labels)}
        noise = model.vae.draw_noise(fold_in(seed_tensor(seed), PRIOR_NOISE), index)
        f_z = model.vae.sample_prior(noise).f_z
        pictures = _pictures_of(f_z)
        if model.pixel_cnn is not None:
            pictures["images"] = self._finished(index, seed, f_z, labels)
        return pictures

    def _sample_given_auxiliary(
        self,
        auxiliary_images: tf.Tensor,
        seed: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        index = tf.range(tf.shape(auxiliary_images)[0])
        f_z = to_unit_range(auxiliary_images)
        return {"images": self._finished(index, seed, f_z, labels)}

    def _finished(
        self,
        index: tf.Tensor,
        seed: tf.Tensor,
        f_z: tf.Tensor | None,
        labels: tf.Tensor | None,
    ) -> tf.Tensor:
        """uint8 [B,H,W,C], as `draw_images` draws them."""
        model, batch = self._model, self._sampling_batch_size
        count = tf.shape(index)[0]
        rows = tf.range(-(-count // batch) * batch)
        # Filled up with the last image, so that every batch has the compiled size.
        rows = tf.reshape(tf.minimum(rows, count - 1), [-1, batch])

        def draw(rows: tf.Tensor) -> tf.Tensor:
            draws = pixel_draws(model, tf.gather(index, rows), pixel_seed(seed))
            shapes = [draws.u_mixture.shape, draws.u_logistic.shape]
            u_mixture, u_logistic = (
                tf.ensure_shape(u, [batch, *shape[1:]])
                for u, shape in zip(draws[:2], shapes, strict=True)
            )
            draws = draws._replace(
                u_mixture=u_mixture,
                u_logistic=u_logistic,
                temperature=tf.constant(1.0),
            )
            condition = None
            if f_z is not None:
                condition = model.condition(tf.gather(f_z, rows))
            label = None if labels is None else tf.gather(labels, rows)
            size = model.image_shape[:2]
            return to_levels(
                sample_cached(model.pixel_cnn, size, draws, condition, label)
            )

        drawn = tf.map_fn(
            draw,
            rows,
            fn_output_signature=tf.TensorSpec([batch, *model.image_shape], tf.uint8),
            parallel_iterations=1,
        )
        return tf.reshape(drawn, [-1, *model.image_shape])[:count]

    def _num_dims(self) -> int:
        model = self._model
        return count_dims(
            model.auxiliary_shape if model.pixel_cnn is None else model.image_shape
        )


def export_model(
    model: AGAVE, output_dir: str, about: dict, sampling_batch_size: int = 16
) -> None:
    """Writes a SavedModel, whole or not at all.

    Args:
      model: with the weights to export.
      output_dir: must not exist.
      about: what to say of the run, for the description.
      sampling_batch_size: as `ExportedModel` takes it.

    Raises:
      InputError: `output_dir` exists, or is in no directory.
    """
    check_new_directory("output_dir", output_dir)
    module = ExportedModel(model, sampling_batch_size)
    functions = {}
    for name, (function, arguments) in module.signatures().items():
        compiled = tf.function(_checking_shapes(function, arguments), autograph=False)
        named = {
            key: tf.TensorSpec(spec.shape, spec.dtype, key)
            for key, spec in arguments.items()
        }
        functions[name] = compiled.get_concrete_function(**named)
    description = json.dumps(_description(model, about), indent=2)
    functions["describe"] = tf.function(
        lambda: {"json": tf.constant(description)}, autograph=False
    ).get_concrete_function()
    with _new_directory(output_dir) as directory:
        tf.saved_model.save(module, directory, signatures=functions)
        os.makedirs(os.path.dirname(os.path.join(directory, DESCRIPTION_FILE)))
        path = os.path.join(directory, DESCRIPTION_FILE)
        with open(path, "w", encoding="utf-8") as file:
            file.write(description + "\n")


def _checking_shapes(
    function: Callable[..., dict[str, tf.Tensor]], arguments: dict[str, tf.TensorSpec]
) -> Callable[..., dict[str, tf.Tensor]]:
    """`function`, whose graph refuses a wrong shape before anything is computed."""

    def checked(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(
            **{
                name: tf.ensure_shape(given[name], spec.shape, name=f"check_{name}")
                for name, spec in arguments.items()
            }
        )

    return checked


def check_new_directory(flag: str, path: str) -> None:
    """Raises InputError unless `path` can become a directory."""
    if os.path.lexists(path):
        raise InputError(f"`{flag}` must not exist yet; {path} does.")
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise InputError(
            f"`{flag}` must be in a directory that exists; there is no {parent}."
        )


@contextlib.contextmanager
def _new_directory(path: str) -> Iterator[str]:
    """A directory to fill, which takes its name `path` only when it is complete."""
    temporary = os.path.abspath(path) + ".partial"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _description(model: AGAVE, about: dict) -> dict:
    return {
        "agave_tf": agave_tf.__version__,
        "tensorflow": tf.__version__,
        **about,
        "image_shape": model.image_shape,
        "auxiliary_shape": model.auxiliary_shape,
        "scaling": "images are levels 0..255; in f_z, x = (level - 127.5) / 127.5",
        "settings": dataclasses.asdict(model.config),
    }


def _pictures_of(f_z: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"f_z": f_z, "f_z_images": to_levels(f_z)}


def _name_of_z(level: int) -> str:
    return f"z_{level:02d}"
