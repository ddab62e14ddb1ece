"""Scores a run on images, and stores the scores in its directory."""

import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.evaluation.evaluator import Evaluator, bits_of_images, summarize
from agave_tf.evaluation.linear_probe import ProbeScore, probe
from agave_tf.models.image_model import ImageModel
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.score_files import RunScores, write_scores
from agave_tf.settings.evaluation import EvaluationSettings

# The arrays of a file of image scores that say what the probe got right.
_PROBE = "probe of "


def evaluate_run(
    run: RunDirectory,
    model: ImageModel,
    images: Images,
    settings: EvaluationSettings,
    strategy: tf.distribute.Strategy | None = None,
) -> RunScores:
    """Scores a run, and writes the scores to its directory.

    The scores of every image stand beside them, for `stored_image_scores`. Where the
    directory cannot be written to, that is said, and the scores are returned.

    Args:
      run: the run; its config and its `data` are those of the images, also of the
        probe's. All that is stored of the run is of this record.
      model: the run's model, made from `run`.
      images: all images of the split.
      settings: how to evaluate.
      strategy: devices that share the work, as `Evaluator` takes them.

    Raises:
      InputError: there is nothing to probe, or labels are missing or out of range.
    """
    images.check_labels(model.num_classes)
    probed = _probe(run, model, images, settings) if settings.probe else []
    of_images = Evaluator(model, settings.evaluation_batch_size, strategy).scores(
        images,
        settings.num_importance_samples,
        settings.evaluation_seed,
        settings.max_images,
        progress=f"Evaluating {run.stage.name}",
    )
    num_samples = settings.num_importance_samples
    arrays = {"index": of_images.index}
    arrays |= bits_of_images(of_images, model, num_samples)
    arrays |= {f"{_PROBE}{score.features}": score.is_right for score in probed}
    summary = summarize(of_images, model, num_samples)
    scores = RunScores(summary, of_images, arrays, probed, len(images.image))
    try:
        write_scores(run, settings, scores)
    except OSError as error:
        reason = error.strerror or error
        logging.warning("The scores are not stored in %s: %s.", run.path, reason)
    return scores


def _probe(
    run: RunDirectory, model: ImageModel, images: Images, settings: EvaluationSettings
) -> list[ProbeScore]:
    """The probe's accuracies on the images that are scored."""
    train = load_run_data(run.as_stored, run.config.data, ["train"]).train
    return probe(
        model,
        train.take(train.choose(settings.probe_images)),
        images.take(images.choose(settings.max_images)),
        settings.evaluation_seed,
        settings.evaluation_batch_size,
    )
