"""Ours: bits/dim over the minutes that training took."""

import dataclasses

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.compared_models import TABLE1
from agave_tf.reproduction.report import Chart, Report, artifact, column, draw_charts
from agave_tf.reproduction.trained_runs import TrainedRuns

# The models with a likelihood of x after all their training.
_SHOWN = [*TABLE1][2:]


@dataclasses.dataclass(frozen=True)
class _Row:
    title: str = column("model")
    before: str = column("minutes of pretraining, by seed")
    minutes: str = column("minutes in all, by seed")
    bound: Estimate = column("bits/dim at the end (± images ± seeds)")


@artifact(lambda _: [TABLE1[title] for title in _SHOWN])
def training_time(trained: TrainedRuns) -> Report:
    """Shows held-out bits/dim over the minutes since the first pretraining began.

    A model's parts are taken to be pretrained side by side. Minutes count from the
    first step to be made, and have the evaluations on the way, not interruptions.
    """
    rows, curves = [], {}
    for title in _SHOWN:
        name = TABLE1[title]
        before, in_all = [], []
        for seed in trained.seeds(name):
            before.append(_minutes_before(trained, name, seed))
            minutes = before[-1] + trained.minutes(name, seed)
            in_all.append(minutes[-1])
            values = trained.curve(name, "", seed).values
            # The first value is of a model that has not learnt to use its condition.
            curves[f"{title}, seed {seed}"] = ([*minutes[1:]], values[1:])
        bound = estimate(trained.scores(name).bound)
        rows.append(_Row(title, _shown(before), _shown(in_all), bound))
    chart = Chart("Held-out images during training", "minutes", "bits/dim", curves)
    title = "Training time: bits/dim over minutes"
    return Report(title, rows, figure=[draw_charts([chart])])


def _minutes_before(trained: TrainedRuns, name: str, seed: int) -> float:
    """The minutes of the runs that a run starts from, side by side."""
    return max(
        (
            _minutes_before(trained, source, seed) + trained.minutes(source, seed)[-1]
            for source in trained.sources(name)
        ),
        default=0.0,
    )


def _shown(minutes: list[float]) -> str:
    return ", ".join(f"{each:.0f}" for each in minutes)
