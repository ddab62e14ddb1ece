"""Writes a trained model as a SavedModel, which runs with TensorFlow alone."""

import dataclasses
import json
import os
from collections.abc import Callable

import tensorflow as tf
from absl import logging

import agave_tf
from agave_tf.interop.export_path import check_output_dir
from agave_tf.interop.model_card import CARD_FILE, model_card
from agave_tf.interop.signatures import ExportedModel
from agave_tf.interop.warm_up import WARM_UP_FILE, smallest_inputs, write_warm_up
from agave_tf.models.auxiliary_image import auxiliary_shape
from agave_tf.models.image_model import ImageModel
from agave_tf.runs.checkpoint_paths import is_pattern
from agave_tf.runs.numerics import library_versions
from agave_tf.whole_file import new_directory, write_text

# Inside the SavedModel; TensorFlow leaves the directory assets.extra to the user.
DESCRIPTION_FILE = os.path.join("assets.extra", "agave_tf.json")
# The names of arguments that have one row for each image.
_IMAGES = ("images", "auxiliary_images")


def export_model(
    model: ImageModel, output_dir: str, about: dict, sampling_batch_size: int = 16
) -> None:
    """Writes a SavedModel, its model card and its warm-up file, whole or not at all.

    Args:
      model: with the weights to export.
      output_dir: the directory to make.
      about: facts about the run to add to the description, as JSON can hold them; those
        of `about_run` also go into the model card.
      sampling_batch_size: as `ExportedModel` takes it.

    Raises:
      InputError: as `check_output_dir`.
    """
    check_output_dir(output_dir)
    if is_pattern(os.path.abspath(output_dir)):
        logging.warning(
            "TensorFlow can load this model by the relative path %s, but not by %s.",
            output_dir,
            os.path.abspath(output_dir),
        )
    module = ExportedModel(model, sampling_batch_size)
    requests = {
        name: smallest_inputs(signature.arguments)
        for name, signature in module.signatures(has_free_size=False).items()
    }
    description = _description(model, about)
    text = json.dumps(description, indent=2)
    functions = _concrete_functions(module, model.num_classes)
    functions["describe"] = tf.function(
        lambda: {"json": tf.constant(text)}, autograph=False
    ).get_concrete_function()
    with new_directory(output_dir) as directory:
        tf.saved_model.save(module, directory, signatures=functions)
        os.makedirs(os.path.join(directory, os.path.dirname(DESCRIPTION_FILE)))
        write_text(os.path.join(directory, DESCRIPTION_FILE), text + "\n")
        card = model_card(model, description, functions)
        write_text(os.path.join(directory, CARD_FILE), card)
        write_warm_up(os.path.join(directory, WARM_UP_FILE), requests)


def _concrete_functions(
    module: ExportedModel, num_classes: int
) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """The module's functions as graphs, which check their inputs."""
    functions = {}
    for name, (function, arguments) in module.signatures().items():
        checked = checking(function, arguments, num_classes)
        named = {
            key: tf.TensorSpec(spec.shape, spec.dtype, key)
            for key, spec in arguments.items()
        }
        compiled = tf.function(checked, autograph=False)
        functions[name] = compiled.get_concrete_function(**named)
    return functions


def checking(
    function: Callable[..., dict[str, tf.Tensor]],
    arguments: dict[str, tf.TensorSpec],
    num_classes: int,
) -> Callable[..., dict[str, tf.Tensor]]:
    """Wraps `function`: its graph refuses wrong inputs before it computes anything.

    Args:
      function: takes the arguments by name.
      arguments: shape and type of each.
      num_classes: labels must be below it.

    Returns:
      A function whose graph raises InvalidArgumentError for a wrong shape (the message
      names `check_` and the argument), for labels out of range or not one per image,
      and for no samples.
    """

    def checked(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        given = {
            name: tf.ensure_shape(given[name], spec.shape, name=f"check_{name}")
            for name, spec in arguments.items()
        }
        with tf.control_dependencies(_assertions(given, num_classes)):
            return function(**{k: tf.identity(value) for k, value in given.items()})

    return checked


def _assertions(given: dict[str, tf.Tensor], num_classes: int) -> list[tf.Operation]:
    assertions = []
    if "labels" in given:
        labels = given["labels"]
        is_right = (labels >= 0) & (labels < num_classes)
        required = f"`labels` must be from 0 to {num_classes - 1}; got"
        wrong = tf.boolean_mask(labels, ~is_right)
        assertions.append(
            tf.debugging.Assert(tf.reduce_all(is_right), [required, wrong])
        )
        for name in set(_IMAGES) & set(given):
            counts = tf.shape(labels)[0], tf.shape(given[name])[0]
            required = f"`labels` must be one for each of the `{name}`; got"
            assertions.append(
                tf.debugging.Assert(
                    counts[0] == counts[1], [required, counts[0], "for", counts[1]]
                )
            )
    if "num_samples" in given:
        count = given["num_samples"]
        required = "`num_samples` must be at least 1; got"
        assertions.append(tf.debugging.Assert(count >= 1, [required, count]))
    return assertions


def _description(model: ImageModel, about: dict) -> dict:
    return {
        "agave_tf": agave_tf.__version__,
        "tensorflow": tf.__version__,
        "versions": library_versions(),
        **about,
        "image_shape": model.image_shape,
        "auxiliary_shape": auxiliary_shape(model.image_shape, model.config.auxiliary),
        "scaling": "images are levels 0..255; in f_z, x = (level - 127.5) / 127.5",
        "settings": about.get("settings") or dataclasses.asdict(model.config),
    }
