"""A table of how much a linear classifier can tell from the latents of each model."""

import dataclasses

from agave_tf.errors import InputError
from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.claim import Claim, above
from agave_tf.reproduction.compared_models import PROBED
from agave_tf.reproduction.report import Report, column, headings_of
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


def probe(trained: TrainedRuns) -> Report:
    """Makes a table of how well a linear classifier tells classes from the latents.

    Raises:
      InputError: the images have no labels.
    """
    if trained.held_out(PROBED[0].run).label is None:
        raise InputError(
            "`artifact` probe must have a `dataset` with labels; this one has none."
        )
    rows = []
    for title, name, has_auxiliary_loss in PROBED:
        scores = trained.scores(name)
        accuracies = {
            field: estimate(scores.probe[features])
            for field, features in headings_of(_Accuracies).items()
        }
        kl = estimate(scores.kl)
        rows.append(_Row(title, has_auxiliary_loss, kl, **accuracies))
    drawn = {p: trained.scores(p.run).probe["z, drawn"] for p in PROBED}
    worst = min(
        (p for p in PROBED if p.has_auxiliary_loss), key=lambda p: drawn[p].mean()
    )
    claim = Claim(
        "Drawn latents tell classes better in every model trained with the auxiliary "
        "loss than in any without (accuracy)",
        [
            above(f"{worst.title} - {other.title}", drawn[worst] - drawn[other])
            for other in PROBED
            if not other.has_auxiliary_loss
        ],
    )
    return Report(
        "Probe: accuracy of a linear classifier on the latents", rows, [claim]
    )
