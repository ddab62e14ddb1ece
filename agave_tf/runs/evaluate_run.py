"""A run's scores on images, kept in its directory with all that they depend on."""

import dataclasses
import json
import math
import os
import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.evaluation.evaluator import (
    Evaluator,
    ImageScores,
    Score,
    bits_of_images,
    summarize,
)
from agave_tf.evaluation.linear_probe import ProbeScore, probe
from agave_tf.models.agave import AGAVE
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory, library_versions, open_run
from agave_tf.runs.scores_record import crc32, read_image_scores, read_scores
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.whole_file import write_npz, write_text

# The settings of the data that say which images, and not where they are kept.
_WHICH_IMAGES = (
    "dataset",
    "train_split",
    "test_split",
    "image_size",
    "image_channels",
    "white_level",
    "corrupt_images",
)


# The arrays of a file of image scores that say what the probe got right.
_PROBE = "probe of "


class RunScores(NamedTuple):
    """The scores of a run."""

    summary: list[Score]  # means over images, bits/dim
    of_images: ImageScores  # of every image, nats
    probe: list[ProbeScore]  # empty if not asked for


def evaluate_run(
    run: RunDirectory,
    model: AGAVE,
    images: Images,
    settings: EvaluationSettings,
    strategy: tf.distribute.Strategy | None = None,
) -> RunScores:
    """Scores a run, and writes the scores to its directory (`scores_file`).

    The scores of every image stand beside them, for `stored_image_scores`.

    Args:
      run: the run; its config and its `data` are those of the images, also of the
        probe's.
      model: the run's model.
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
    summary = summarize(of_images, model, num_samples)
    arrays = {"index": of_images.index}
    arrays |= bits_of_images(of_images, model, num_samples)
    arrays |= {f"{_PROBE}{score.features}": score.is_right for score in probed}
    arrays_path = image_file(scores_file(run, settings))
    write_npz(arrays_path, arrays)
    result = _provenance(run, settings) | {
        "versions": library_versions(),
        "num_images": len(of_images.kl),
        "num_images_in_split": len(images.image),
        "num_importance_samples": num_samples,
        "images": {
            "file": os.path.basename(arrays_path),
            "crc32": crc32(arrays_path),
        },
        "scores": {score.name: score.mean for score in summary},
        # null for one image, of which no error can be estimated.
        "standard_errors": {
            score.name: None if math.isnan(error) else error
            for score in summary
            for error in [score.standard_error]
        },
    }
    if probed:
        result["probe"] = {score.features: score.accuracy for score in probed}
    write_text(scores_file(run, settings), json.dumps(result, indent=2) + "\n")
    return RunScores(summary, of_images, probed)


def stored_scores(
    run: RunDirectory, settings: EvaluationSettings
) -> dict[str, Any] | None:
    """The content of the score file, if it is of this run, these data and settings.

    Otherwise None: scores of other images, samples, seeds or weights are not reused. A
    file with a probe serves where none is asked for.
    """
    stored = read_scores(scores_file(run, settings))
    if stored is None or (settings.probe and "probe" not in stored):
        return None
    expected = _provenance(run, settings)
    found: dict[str, Any] = {name: stored.get(name) for name in expected}
    if not settings.probe:
        # The probe does not change the other scores.
        for name in ("probe", "probe_images"):
            found["evaluation"][name] = expected["evaluation"][name]
    return stored if found == expected else None


def stored_image_scores(
    run: RunDirectory, settings: EvaluationSettings
) -> dict[str, np.ndarray] | None:
    """The scores of every image, bits/dim [N], by the names of the score file.

    "index" is each image's place in its data set, and "probe of FEATURES" says whether
    the probe got its class right.

    Returns:
      None where `stored_scores` gives none, or the images' file is missing or another.
    """
    stored = stored_scores(run, settings)
    if stored is None:
        return None
    return read_image_scores(image_file(scores_file(run, settings)), stored)


def image_file(path: str) -> str:
    """The path of the scores of every image, beside the file of scores at `path`."""
    return path.removesuffix(".json") + "_images.npz"


def scores_file(run: RunDirectory, settings: EvaluationSettings) -> str:
    """The path of the scores: evaluation_SPLIT.json for the run's own data set.

    Scores on other data go to a file of their own, evaluation_SPLIT_on_NAME.json.
    """
    ours, own = _which_images(run), _which_images(open_run(run.path))
    if ours["fingerprint"] and own["fingerprint"]:
        own["dataset"] = ours["dataset"]  # The same images may lie elsewhere.
    name = f"evaluation_{settings.split}"
    if ours != own:
        values = [str(value) for value in ours.values() if value]
        name += "_on_" + re.sub(r"\W+", "_", "_".join(values))
    return os.path.join(run.path, f"{name}.json")


def _provenance(run: RunDirectory, settings: EvaluationSettings) -> dict[str, Any]:
    """All that the scores depend on: weights, data, and how they are evaluated."""
    return {
        "step": run.step,
        "weights": run.fingerprint(),
        "data": _which_images(run),
        "evaluation": dataclasses.asdict(settings),
    }


def _which_images(run: RunDirectory) -> dict[str, Any]:
    settings = {name: getattr(run.config.data, name) for name in _WHICH_IMAGES}
    # None for a run of version 0.1, which does not say.
    return settings | {"fingerprint": run.data.fingerprint if run.data else None}


def _probe(
    run: RunDirectory, model: AGAVE, images: Images, settings: EvaluationSettings
) -> list[ProbeScore]:
    """The probe's accuracies on the images that are scored."""
    train = load_run_data(open_run(run.path), run.config.data, ["train"]).train
    return probe(
        model,
        train.take(train.choose(settings.probe_images)),
        images.take(images.choose(settings.max_images)),
        settings.evaluation_seed,
        settings.evaluation_batch_size,
    )
