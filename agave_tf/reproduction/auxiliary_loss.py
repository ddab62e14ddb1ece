"""Figure 7, and the baselines: models with and without the auxiliary loss."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.pictures.rows import rows_grid
from agave_tf.reproduction.claim import Claim, above, below
from agave_tf.reproduction.compared_models import (
    ABLATION,
    BASELINES,
    CONTROL,
    REMEDIES,
    WITH_LOSS,
    WITHOUT_LOSS,
    main_run,
)
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    NUM_COMPARED,
    NUM_FINISHED,
    alike_for_one_f_z,
    error_of_f_z,
)
from agave_tf.reproduction.report import (
    Chart,
    Report,
    artifact,
    column,
    draw_charts,
)
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.sampling.drawn import PictureRow
from agave_tf.sampling.sampler import Sampler

BEFORE = "before"
# Samples of each f(z) that Figure 7 shows.
_NUM_SAMPLES = 4
# Share of the KL below which it counts as about zero; ours.
_ABOUT_ZERO = 0.05
# Samples count as independent of f(z) if their likeness falls to less than this share;
# ours: this number of samples could not show a twentieth.
_INDEPENDENT = 0.1


class LossMeasures(NamedTuple):
    """Quantities that the auxiliary loss changes, for every training of a run."""

    kl: np.ndarray  # [S,N] bits/dim
    error: np.ndarray  # [S,N] RMS error of f(z), levels
    alike: np.ndarray  # [S,P], as `alike_for_one_f_z` gives it, levels


@dataclasses.dataclass(frozen=True)
class _Figure7Row:
    kind: str = column("run")
    kl: Estimate = column("KL (± images ± seeds)")
    bound: Estimate = column("bits/dim")
    error: Estimate = column("RMS error of f(z), levels")
    alike: Estimate = column("likeness of samples of one f(z), levels")


@dataclasses.dataclass(frozen=True)
class _BaselineRow:
    title: str = column("model")
    kl: Estimate = column("KL (± images ± seeds)")
    bound: Estimate = column("bits/dim")


@artifact(lambda scale: [main_run(scale), ABLATION, CONTROL])
def figure7(trained: TrainedRuns) -> Report:
    """Makes Figure 7: the joint model before and after more steps without the loss.

    The control is trained for as many more steps with the loss.
    """
    main = main_run(trained.scale)
    images = trained.held_out(main).first(NUM_COLUMNS)
    compared = trained.held_out(main).first(NUM_COMPARED)
    rows, measures = [], {}
    curves, pictures = {}, [PictureRow("image", images.array)]
    for kind, name in {BEFORE: main, ABLATION: ABLATION, CONTROL: CONTROL}.items():
        measures[kind] = _measures(trained, name, compared)
        bound = estimate(trained.scores(name).bound)
        kl, error, alike = map(estimate, measures[kind])
        rows.append(_Figure7Row(kind, kl, bound, error, alike))
        if kind != BEFORE:
            for seed in trained.seeds(name):
                curves[f"{kind}, seed {seed}"] = trained.curve(name, seed=seed)
        sampler = trained.sampler(name)
        pictures += _pictures(kind, sampler, images)
    chart = Chart("KL after joint training", "step", "bits/dim", curves)
    figure = [draw_charts([chart]), rows_grid(pictures)]
    title = "Figure 7: the auxiliary loss dropped after joint training"
    return Report(title, rows, figure7_claims(measures), figure)


def _measures(trained: TrainedRuns, name: str, compared: Images) -> LossMeasures:
    return LossMeasures(
        trained.scores(name).kl,
        trained.measure_pictures(name, lambda sampler: error_of_f_z(sampler, compared)),
        trained.measure_pictures(name, _alike, finish=True),
    )


def _alike(sampler: Sampler) -> np.ndarray:
    return alike_for_one_f_z(sampler.prior(NUM_FINISHED, _NUM_SAMPLES).images)


def _pictures(kind: str, sampler: Sampler, images: Images) -> list[PictureRow]:
    reconstructed = dataclasses.replace(sampler.reconstruct(images), start={})
    prior = sampler.prior(NUM_COLUMNS, _NUM_SAMPLES)
    return [
        row._replace(caption=f"{kind}: {row.caption}, {source}")
        for source, drawn in {"image": reconstructed, "prior": prior}.items()
        for row in drawn.rows
    ]


def figure7_claims(measures: Mapping[str, LossMeasures]) -> list[Claim]:
    """Returns the claims of Figure 7.

    Args:
      measures: the measures of each model, by `BEFORE`, `ABLATION` and `CONTROL`.
    """
    before, ablation = measures[BEFORE], measures[ABLATION]
    return [
        Claim(
            "Without the auxiliary loss the KL falls to about zero (a twentieth)",
            [
                below(
                    f"KL of the ablation - {_ABOUT_ZERO} KL before",
                    ablation.kl - _ABOUT_ZERO * before.kl,
                )
            ],
        ),
        Claim(
            "With the auxiliary loss the KL stays in as many steps (at least half)",
            [
                above(
                    "KL of the control - 0.5 KL before",
                    measures[CONTROL].kl - 0.5 * before.kl,
                )
            ],
        ),
        Claim(
            "Reconstructions become meaningless (RMS error of f(z), levels, doubles)",
            [
                above(
                    "error of the ablation - 2 times the error before",
                    ablation.error - 2 * before.error,
                )
            ],
        ),
        _independence(before.alike, ablation.alike),
    ]


def _independence(before: np.ndarray, after: np.ndarray) -> Claim:
    return Claim(
        "Without the auxiliary loss samples become independent of f(z) (likeness of "
        "samples of one f(z), RMS levels, falls to a tenth)",
        [
            above("likeness before, by pairs of f(z)", before),
            below(
                f"likeness of the ablation - {_INDEPENDENT} likeness before",
                after - _INDEPENDENT * before,
            ),
        ],
    )


@artifact(lambda _: [baseline.run for baseline in BASELINES])
def baselines(trained: TrainedRuns) -> Report:
    """Compares models from scratch, all with as many steps and lambda 1."""
    images = trained.held_out(WITH_LOSS.run).first(NUM_COLUMNS)
    pictures, rows = [PictureRow("image", images.array)], []
    kls, curves = {}, {}
    for baseline in BASELINES:
        title, scores = baseline.title, trained.scores(baseline.run)
        kls[title] = scores.kl
        rows.append(_BaselineRow(title, estimate(scores.kl), estimate(scores.bound)))
        curves[title] = trained.curve(baseline.run)
        finished = trained.sampler(baseline.run).reconstruct(images).images[-1]
        pictures.append(PictureRow(title, finished))
    chart = Chart("KL from scratch", "step", "bits/dim", curves)
    figure = [draw_charts([chart]), rows_grid(pictures)]
    title = "Baselines: other remedies instead of the auxiliary loss"
    return Report(title, rows, baselines_claims(kls), figure)


def baselines_claims(kls: Mapping[str, np.ndarray]) -> list[Claim]:
    """Returns the claims about models from scratch.

    Args:
      kls: [S,N] bits/dim, by the titles of `BASELINES`.
    """
    with_loss = kls[WITH_LOSS.title]
    return [
        Claim(
            "From scratch too, the KL without the auxiliary loss is about zero (a "
            "twentieth of the KL with it)",
            [
                below(
                    f"KL without - {_ABOUT_ZERO} KL with",
                    kls[WITHOUT_LOSS.title] - _ABOUT_ZERO * with_loss,
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
