"""A run's scores on held-out images, kept in its directory."""

import json
from typing import NamedTuple

from agave_tf.data.image_set import Images
from agave_tf.data.load import load_images
from agave_tf.evaluation.evaluator import Evaluator, ImageScores, Score, summarize
from agave_tf.evaluation.linear_probe import ProbeScore, probe
from agave_tf.models.agave import AGAVE
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.whole_file import write_text


class EvaluationSettings(NamedTuple):
    """How a run is evaluated.

    split: train or test, of its data set.
    num_importance_samples: S of the bound.
    max_images: how many; 0: all.
    batch_size: images at a time.
    seed: of the samples of z.
    probe_images: training images of the linear probe; 0: no probe.
    """

    split: str = "test"
    num_importance_samples: int = 16
    max_images: int = 0
    batch_size: int = 50
    seed: int = 0
    probe_images: int = 0


class RunScores(NamedTuple):
    """What is known of a run."""

    summary: list[Score]
    of_images: ImageScores
    probe: list[ProbeScore]


def evaluate_run(
    run: RunDirectory, model: AGAVE, images: Images, settings: EvaluationSettings
) -> RunScores:
    """Scores of a run, written to its evaluation_SPLIT.json too.

    Args:
      run: whose data are read for the probe's training images.
      model: its model.
      images: of the split.
      settings: how.

    Raises:
      InputError: there is nothing to probe.
    """
    held_out = images.first(settings.max_images or len(images.image))
    probed = []
    if settings.probe_images:
        train = load_images(run.config.data, "train", run.config.train.seed)
        train = train.first(settings.probe_images)
        probed = probe(model, train, held_out, settings.seed, settings.batch_size)
    of_images = Evaluator(model, settings.batch_size).scores(
        held_out,
        settings.num_importance_samples,
        settings.seed,
        progress=f"Evaluating {run.stage.name}",
    )
    summary = summarize(of_images, model, settings.num_importance_samples)
    result = {
        "step": run.step,
        "num_images": len(of_images.kl),
        "num_importance_samples": settings.num_importance_samples,
        "scores": {score.name: score.mean for score in summary},
        "standard_errors": {score.name: score.standard_error for score in summary},
    }
    if probed:
        result["probe"] = {score.features: score.accuracy for score in probed}
    path = run.file(f"evaluation_{settings.split}.json")
    write_text(path, json.dumps(result, indent=2) + "\n")
    return RunScores(summary, of_images, probed)
