"""The difference of two runs, image by image: what it is known to within."""

import contextlib
import dataclasses

import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.models.parts import WHOLE
from agave_tf.runs.evaluate_run import evaluate_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.score_files import stored_image_scores
from agave_tf.settings.evaluation import EvaluationSettings


def check_comparable(run: RunDirectory, other: RunDirectory) -> None:
    """Raises InputError if the likelihood of one is of x and that of the other of y."""
    if run.stage.has("pixel_cnn") != other.stage.has("pixel_cnn"):
        raise InputError(
            "`compare_with` must be a run with a PixelCNN++ if --run_dir is one, and "
            "without if it is not, because the VAE alone has the likelihood of y; got "
            f"stages {other.stage.name} and {run.stage.name}."
        )


def compare_runs(
    run: RunDirectory,
    other: RunDirectory,
    images: Images,
    settings: EvaluationSettings,
    strategy: tf.distribute.Strategy | None = None,
) -> Estimate:
    """The difference of the bounds of two comparable runs, run - other, in bits/dim.

    All models get the same images and noise, so the difference is known better than
    either bound. Scores that are not stored yet are computed and stored.

    Args:
      run: a run, as `evaluate_run` takes it.
      other: another one, on the same images.
      images: all images of the split.
      settings: how to evaluate.
      strategy: as `evaluate_run` takes it.

    Raises:
      InputError: as `evaluate_run`.
    """
    # The other may have no VAE, so nothing to probe.
    settings = dataclasses.replace(settings, probe=False)
    bounds = []
    for each in (run, other):
        scores = stored_image_scores(each, settings)
        if scores is None:
            logging.info("Evaluating %s", each.path)
            with strategy.scope() if strategy else contextlib.nullcontext():
                model = each.load_model()
            found = evaluate_run(each, model, images, settings, strategy)
            scores = found.bits_of_images
        name = f"{WHOLE}_{settings.num_importance_samples}_samples"
        bounds.append(scores.get(name, scores[WHOLE]))
    return estimate((bounds[0] - bounds[1])[None])
