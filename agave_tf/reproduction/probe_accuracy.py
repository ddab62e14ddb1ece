"""A table of how much a linear classifier can tell from the latents of each model."""

import dataclasses

from agave_tf.errors import InputError
from agave_tf.reproduction.planned_runs import PROBED
from agave_tf.reproduction.report import Claim, Report, column, headings_of
from agave_tf.reproduction.trained_runs import TrainedRuns


@dataclasses.dataclass(frozen=True)
class _Accuracies:
    """Accuracy by features; the headings are the names that the probe gives them."""

    pixels: float = column("pixels")
    z_mean: float = column("z, mean")
    z_drawn: float = column("z, drawn")
    f_z: float = column("f(z)")


@dataclasses.dataclass(frozen=True)
class _Model:
    title: str = column("model")
    has_auxiliary_loss: bool = column("auxiliary loss")
    kl: float = column("KL")


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
            field: scores.probe[features]
            for field, features in headings_of(_Accuracies).items()
        }
        rows.append(_Row(title, has_auxiliary_loss, scores.kl, **accuracies))
    with_loss = [row.z_drawn for row in rows if row.has_auxiliary_loss]
    without = [row.z_drawn for row in rows if not row.has_auxiliary_loss]
    claim = Claim(
        "Drawn latents tell classes better in every model trained with the auxiliary "
        "loss than in any without",
        min(with_loss) > max(without),
        {row.title: row.z_drawn for row in rows},
    )
    return Report(
        "Probe: accuracy of a linear classifier on the latents", rows, [claim]
    )
