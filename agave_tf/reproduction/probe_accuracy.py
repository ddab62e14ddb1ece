"""A table of how well a linear classifier tells classes from each model's latents."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from agave_tf.errors import InputError
from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.claim import Claim, above
from agave_tf.reproduction.compared_models import ProbedRun, probed_runs
from agave_tf.reproduction.report import Report, artifact, column, headings_of
from agave_tf.reproduction.trained_runs import TrainedRuns


@dataclasses.dataclass(frozen=True)
class _Accuracies:
    """Accuracy by features; the headings are the names that the probe gives them."""

    pixels: Estimate = column("pixels")
    z_mean: Estimate = column("z, mean")
    z_drawn: Estimate = column("z, drawn")
    f_z: Estimate = column("f(z)")


@dataclasses.dataclass(frozen=True)
class _Model:
    title: str = column("model")
    has_auxiliary_loss: bool = column("auxiliary loss")
    kl: Estimate = column("KL (± images ± seeds)")


@dataclasses.dataclass(frozen=True)
class _Row(_Accuracies, _Model):
    """The columns of `_Model`, followed by those of `_Accuracies`."""


@artifact(lambda scale: [probed.run for probed in probed_runs(scale)])
def probe(trained: TrainedRuns) -> Report:
    """Makes a table of how well a linear classifier tells classes from the latents.

    Raises:
      InputError: the images have no labels.
    """
    models = probed_runs(trained.scale)
    if trained.held_out(models[0].run).label is None:
        raise InputError(
            "`artifact` probe must have a `dataset` with labels; this one has none."
        )
    rows, drawn = [], {}
    for probed in models:
        scores = trained.scores(probed.run)
        accuracies = {
            field: estimate(scores.probe[features])
            for field, features in headings_of(_Accuracies).items()
        }
        kl = estimate(scores.kl)
        rows.append(_Row(probed.title, probed.has_auxiliary_loss, kl, **accuracies))
        drawn[probed] = scores.probe["z, drawn"]
    title = "Probe: accuracy of a linear classifier on the latents"
    return Report(title, rows, probe_claims(drawn))


def probe_claims(drawn: Mapping[ProbedRun, np.ndarray]) -> list[Claim]:
    """Returns the claim about every pair of models with and without auxiliary loss.

    Args:
      drawn: [S,N] for each model, 1 where the classifier of drawn latents is right,
        else 0.
    """
    with_loss = [probed for probed in drawn if probed.has_auxiliary_loss]
    without = [probed for probed in drawn if not probed.has_auxiliary_loss]
    return [
        Claim(
            "Drawn latents tell classes better in every model trained with the "
            "auxiliary loss than in any without (accuracy)",
            [
                above(f"{one.title} - {other.title}", drawn[one] - drawn[other])
                for one in with_loss
                for other in without
            ],
        )
    ]
