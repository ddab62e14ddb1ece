"""Figure 7, and the baselines: models with and without the auxiliary loss."""

import dataclasses

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.pictures.picture_row import PictureRow, rows_grid
from agave_tf.pictures.rows import Sampler
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.claim import Claim, above, below
from agave_tf.reproduction.compared_models import (
    ABLATION,
    BASELINES,
    CONTROL,
    MAIN,
    REMEDIES,
    WITH_LOSS,
    WITHOUT_LOSS,
)
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    NUM_COMPARED,
    error_of_f_z,
    stacked,
)
from agave_tf.reproduction.report import Report, column
from agave_tf.reproduction.trained_runs import TrainedRuns

_BEFORE = "before"
# Share of the KL below which it counts as about zero; ours.
_ABOUT_ZERO = 0.05


@dataclasses.dataclass(frozen=True)
class _Figure7Row:
    kind: str = column("run")
    kl: Estimate = column("KL (± images ± seeds)")
    bound: Estimate = column("bits/dim")
    error: Estimate = column("RMS error of f(z), levels")


@dataclasses.dataclass(frozen=True)
class _BaselineRow:
    title: str = column("model")
    kl: Estimate = column("KL (± images ± seeds)")
    bound: Estimate = column("bits/dim")


def figure7(trained: TrainedRuns) -> Report:
    """Makes Figure 7: the joint model before and after more steps without the loss.

    The control is trained for as many more steps with the loss.
    """
    held_out = trained.held_out(MAIN)
    images, compared = held_out.first(NUM_COLUMNS), held_out.first(NUM_COMPARED)
    rows, kls, errors = [], {}, {}
    curves, pictures = {}, [PictureRow("image", images.image)]
    for kind, name in {_BEFORE: MAIN, ABLATION: ABLATION, CONTROL: CONTROL}.items():
        scores = trained.scores(name)
        kls[kind] = scores.kl
        errors[kind] = trained.of_samplers(name, lambda s: error_of_f_z(s, compared))
        rows.append(
            _Figure7Row(
                kind,
                estimate(scores.kl),
                estimate(scores.bound),
                estimate(errors[kind]),
            )
        )
        if kind != _BEFORE:
            for seed in trained.seeds(name):
                curves[f"{kind}, seed {seed}"] = trained.curve(name, seed=seed)
        sampler = trained.sampler(name)
        pictures += _pictures(kind, sampler, sampler.reconstruct(images)[1:])
    chart = Chart("KL after joint training", "step", "bits/dim", curves)
    figure = stacked(draw_charts([chart]), rows_grid(pictures))
    title = "Figure 7: the auxiliary loss dropped after joint training"
    return Report(title, rows, _figure7_claims(kls, errors), figure)


def _pictures(
    kind: str, sampler: Sampler, reconstructions: list[PictureRow]
) -> list[PictureRow]:
    drawn = {"image": reconstructions, "prior": sampler.prior(NUM_COLUMNS)}
    return [
        row._replace(caption=f"{kind}: {row.caption}, {source}")
        for source, source_rows in drawn.items()
        for row in source_rows
    ]


def _figure7_claims(
    kls: dict[str, np.ndarray], errors: dict[str, np.ndarray]
) -> list[Claim]:
    """The claims from the KLs and the errors of f(z), [S,N], by kind of run."""
    return [
        Claim(
            "Without the auxiliary loss the KL falls to about zero (a twentieth)",
            [
                below(
                    f"KL of the ablation - {_ABOUT_ZERO} KL before",
                    kls[ABLATION] - _ABOUT_ZERO * kls[_BEFORE],
                )
            ],
        ),
        Claim(
            "With the auxiliary loss the KL stays in as many steps (at least half)",
            [
                above(
                    "KL of the control - 0.5 KL before",
                    kls[CONTROL] - 0.5 * kls[_BEFORE],
                )
            ],
        ),
        Claim(
            "Reconstructions become meaningless (RMS error of f(z), levels, doubles)",
            [
                above(
                    "error of the ablation - 2 times the error before",
                    errors[ABLATION] - 2 * errors[_BEFORE],
                )
            ],
        ),
    ]


def baselines(trained: TrainedRuns) -> Report:
    """Compares models from scratch, all with as many steps and lambda 1."""
    images = trained.held_out(WITH_LOSS.run).first(NUM_COLUMNS)
    pictures, rows = [PictureRow("image", images.image)], []
    kls, curves = {}, {}
    for title, name, *_ in BASELINES:
        scores = trained.scores(name)
        kls[title] = scores.kl
        rows.append(_BaselineRow(title, estimate(scores.kl), estimate(scores.bound)))
        curves[title] = trained.curve(name)
        finished = trained.sampler(name).reconstruct(images)[-1]
        pictures.append(finished._replace(caption=title))
    with_loss, without = kls[WITH_LOSS.title], kls[WITHOUT_LOSS.title]
    claims = [
        Claim(
            "From scratch too, the KL without the auxiliary loss is about zero (a "
            "twentieth of the KL with it)",
            [
                below(
                    f"KL without - {_ABOUT_ZERO} KL with",
                    without - _ABOUT_ZERO * with_loss,
                )
            ],
        ),
        Claim(
            "No other remedy makes the latents carry as much information (KL)",
            [
                above(
                    f"{WITH_LOSS.title} - {remedy.title}", with_loss - kls[remedy.title]
                )
                for remedy in REMEDIES
            ],
        ),
    ]
    figure = stacked(
        draw_charts([Chart("KL from scratch", "step", "bits/dim", curves)]),
        rows_grid(pictures),
    )
    title = "Baselines: other remedies instead of the auxiliary loss"
    return Report(title, rows, claims, figure)
