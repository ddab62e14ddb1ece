"""Scores runs on images, stores the scores in their directories, and compares runs."""

import contextlib
import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.image_scores import bits_of_images, summarize
from agave_tf.evaluation.linear_probe import ProbeScore, probe
from agave_tf.models.image_model import ImageModel
from agave_tf.models.parts import WHOLE
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.score_files import RunScores, stored_image_scores, write_scores
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.settings.image_size import parse_image_size

# The beginning of the names of the arrays that tell where the probe is right.
_PROBE = "probe of "
# The array that images of several sizes have beside their scores.
_SUB_PIXELS = "sub_pixels"


def evaluate_run(
    run: RunDirectory,
    model: ImageModel,
    images: Images,
    settings: EvaluationSettings,
    strategy: tf.distribute.Strategy | None = None,
) -> RunScores:
    """Scores a run, and writes the scores to its directory.

    The scores of every image stand beside them, for `stored_image_scores`. If the
    directory cannot be written to, a warning says so, and the scores are returned.

    Args:
      run: the run; its config and its `data` are those of the images, also of the
        probe's. The files name its step and weights as they are here.
      model: the run's model, made from `run`.
      images: all images of the split.
      settings: the settings of the evaluation.
      strategy: devices that share the work, as `Evaluator` takes them.

    Raises:
      InputError: there is nothing to probe, or labels are missing or out of range.
    """
    images.check_labels(model.num_classes)
    if settings.probe:
        images.check_one_size()
    probed = _probe(run, model, images, settings) if settings.probe else []
    image_scores = Evaluator(model, settings.evaluation_batch_size, strategy).scores(
        images,
        settings.num_importance_samples,
        settings.evaluation_seed,
        settings.max_images,
        progress=f"Evaluating {run.stage.name}",
        tile_size=parse_image_size(settings.tile_size, "tile_size"),
    )
    num_samples = settings.num_importance_samples
    arrays = {"index": image_scores.index}
    if (image_scores.size != image_scores.size[0]).any():
        arrays[_SUB_PIXELS] = model.dims_of(tuple(image_scores.size.T))
    arrays |= bits_of_images(image_scores, model, num_samples)
    arrays |= {f"{_PROBE}{score.features}": score.is_right for score in probed}
    summary = summarize(image_scores, model, num_samples)
    scores = RunScores(summary, image_scores, arrays, probed, len(images.image))
    try:
        write_scores(run, settings, scores)
    except OSError as error:
        reason = error.strerror or error
        logging.warning("The scores are not stored in %s: %s.", run.path, reason)
    return scores


def _probe(
    run: RunDirectory, model: ImageModel, images: Images, settings: EvaluationSettings
) -> list[ProbeScore]:
    """Probes the latents of the images that are scored."""
    train = load_run_data(run.as_stored, run.config.data, ["train"]).part("train")
    return probe(
        model,
        train.take(train.choose(settings.probe_images)),
        images.take(images.choose(settings.max_images)),
        settings.evaluation_seed,
        settings.evaluation_batch_size,
    )


def stored_or_new_scores(
    run: RunDirectory,
    images: Callable[[], Images],
    settings: EvaluationSettings,
    strategy: tf.distribute.Strategy | None = None,
) -> dict[str, np.ndarray]:
    """The scores of every image, bits/dim [N], as `stored_image_scores` gives them.

    If none are stored for these settings, the run is scored, and they are stored.

    Args:
      run: the run, as `evaluate_run` takes it.
      images: gives all images of the split; called only if they must be scored.
      settings: the settings of the evaluation.
      strategy: as `evaluate_run` takes it.

    Raises:
      InputError: as `evaluate_run`.
    """
    stored = stored_image_scores(run, settings)
    if stored is not None:
        return stored
    logging.info("Evaluating %s", run.path)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = run.load_model()
    return evaluate_run(run, model, images(), settings, strategy).bits_of_images


def check_comparable(run: RunDirectory, other: RunDirectory) -> None:
    """Raises InputError if one run has a likelihood of x, and the other one of y."""
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
      settings: the settings of the evaluation.
      strategy: as `evaluate_run` takes it.

    Raises:
      InputError: as `evaluate_run`.
    """
    # The other may have no VAE, so nothing to probe.
    settings = dataclasses.replace(settings, probe=False)
    name = f"{WHOLE}_{settings.num_importance_samples}_samples"
    scores = [
        stored_or_new_scores(each, lambda: images, settings, strategy)
        for each in (run, other)
    ]
    ours, others = (each.get(name, each[WHOLE]) for each in scores)
    # Images count by their sub-pixels, as in the means.
    dims = scores[0].get(_SUB_PIXELS, np.ones(len(ours)))
    return estimate(((ours - others) * (dims / dims.mean()))[None])
