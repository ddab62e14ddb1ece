"""Figure 7, and the baselines: models with and without the auxiliary loss."""

import dataclasses

from agave_tf.pictures.picture_row import PictureRow, rows_grid
from agave_tf.pictures.rows import Sampler
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    rms_difference,
    stacked,
)
from agave_tf.reproduction.planned_runs import (
    ABLATION,
    BASELINES,
    CONTROL,
    MAIN,
    REMEDIES,
    SEEDS,
    WITH_LOSS,
    WITHOUT_LOSS,
    after_joint_run,
)
from agave_tf.reproduction.report import Claim, Report, column
from agave_tf.reproduction.trained_runs import TrainedRuns

_BEFORE = "before"
# Share of the KL below which it counts as about zero; ours.
_ABOUT_ZERO = 0.05


@dataclasses.dataclass(frozen=True)
class _Figure7Row:
    kind: str = column("run")
    seed: int = column("seed")
    kl: float = column("KL")
    bound: float = column("bits/dim")
    error: float = column("RMS error of f(z), levels")


@dataclasses.dataclass(frozen=True)
class _BaselineRow:
    title: str = column("model")
    kl: float = column("KL")
    bound: float = column("bits/dim")


def figure7(trained: TrainedRuns) -> Report:
    """Makes Figure 7: the joint model before and after more steps without the loss.

    The control is trained for as many more steps with the loss.
    """
    images = trained.held_out(MAIN).first(NUM_COLUMNS)
    runs = {(_BEFORE, 0): MAIN} | {
        (kind, seed): after_joint_run(kind, seed)
        for kind in (ABLATION, CONTROL)
        for seed in SEEDS
    }
    rows, curves, pictures = [], {}, [PictureRow("image", images.image)]
    for (kind, seed), name in runs.items():
        sampler, scores = trained.sampler(name), trained.scores(name)
        image, f_z, finished = sampler.reconstruct(images)
        error = rms_difference(image, f_z)
        rows.append(_Figure7Row(kind, seed, scores.kl, scores.bound, error))
        if kind != _BEFORE:
            curves[f"{kind}, seed {seed}"] = trained.kl_curve(name)
        if seed == 0:
            pictures += _pictures(kind, sampler, [f_z, finished])
    chart = Chart("KL after joint training", "step", "bits/dim", curves)
    figure = stacked(draw_charts([chart]), rows_grid(pictures))
    title = "Figure 7: the auxiliary loss dropped after joint training"
    return Report(title, rows, _figure7_claims(rows), figure)


def _pictures(
    kind: str, sampler: Sampler, reconstructions: list[PictureRow]
) -> list[PictureRow]:
    drawn = {"image": reconstructions, "prior": sampler.prior(NUM_COLUMNS)}
    return [
        row._replace(caption=f"{kind}: {row.caption}, {source}")
        for source, source_rows in drawn.items()
        for row in source_rows
    ]


def _figure7_claims(rows: list[_Figure7Row]) -> list[Claim]:
    (before,) = (row for row in rows if row.kind == _BEFORE)
    ablations = [row for row in rows if row.kind == ABLATION]
    controls = [row for row in rows if row.kind == CONTROL]
    return [
        Claim(
            "Without the auxiliary loss the KL falls to about zero (a twentieth)",
            max(row.kl for row in ablations) < _ABOUT_ZERO * before.kl,
            {"before": before.kl, "after": [row.kl for row in ablations]},
        ),
        Claim(
            "With the auxiliary loss the KL stays in as many steps (at least half)",
            min(row.kl for row in controls) > 0.5 * before.kl,
            {"before": before.kl, "after": [row.kl for row in controls]},
        ),
        Claim(
            "Reconstructions become meaningless (RMS error of f(z) doubles)",
            min(row.error for row in ablations) > 2 * before.error,
            {"before": before.error, "after": [row.error for row in ablations]},
        ),
    ]


def baselines(trained: TrainedRuns) -> Report:
    """Compares models from scratch, all with as many steps and lambda 1."""
    images = trained.held_out(WITH_LOSS.run).first(NUM_COLUMNS)
    pictures, rows, curves = [PictureRow("image", images.image)], [], {}
    for title, name, *_ in BASELINES:
        scores = trained.scores(name)
        rows.append(_BaselineRow(title, scores.kl, scores.bound))
        curves[title] = trained.kl_curve(name)
        finished = trained.sampler(name).reconstruct(images)[-1]
        pictures.append(finished._replace(caption=title))
    kls = {row.title: row.kl for row in rows}
    with_loss, without = kls[WITH_LOSS.title], kls[WITHOUT_LOSS.title]
    claims = [
        Claim(
            "From scratch too, the KL without the auxiliary loss is about zero (a "
            "twentieth of the KL with it)",
            without < _ABOUT_ZERO * with_loss,
            {title: kls[title] for title in (WITH_LOSS.title, WITHOUT_LOSS.title)},
        ),
        Claim(
            "No other remedy makes the latents carry as much information (KL)",
            max(kls[remedy.title] for remedy in REMEDIES) < with_loss,
            kls,
        ),
    ]
    figure = stacked(
        draw_charts([Chart("KL from scratch", "step", "bits/dim", curves)]),
        rows_grid(pictures),
    )
    title = "Baselines: other remedies instead of the auxiliary loss"
    return Report(title, rows, claims, figure)
