"""Figures 8 and 9: other auxiliary images."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.pictures.rows import rows_grid
from agave_tf.reproduction.claim import Claim, above, below
from agave_tf.reproduction.compared_models import (
    COLOR_LEVELS,
    auxiliaries,
    full_size,
    main_run,
)
from agave_tf.reproduction.picture_comparison import NUM_COLUMNS
from agave_tf.reproduction.report import Report, artifact, column
from agave_tf.reproduction.trained_runs import Scores, TrainedRuns
from agave_tf.sampling.drawn import PictureRow

# Largest difference in bits/dim that counts as comparable; ours: the paper calls 2.94
# and 2.93 comparable to 2.92.
_COMPARABLE = 0.05


@dataclasses.dataclass(frozen=True)
class _LevelsRow:
    levels: int = column("colour levels")
    bound: Estimate = column("bits/dim (± images ± seeds)")
    single_sample: Estimate = column("single-sample bound")
    kl: Estimate = column("KL")


@dataclasses.dataclass(frozen=True)
class _AuxiliaryRow:
    auxiliary_image: str = column("y")
    bound: Estimate = column("bits/dim (± images ± seeds)")
    kl: Estimate = column("KL")


@artifact(lambda scale: [*full_size(scale).values()])
def figure8(trained: TrainedRuns) -> Report:
    """Makes Figure 8: f(z) and bits/dim for each number of colour levels."""
    images = trained.held_out(main_run(trained.scale)).first(NUM_COLUMNS)
    pictures, rows, scores = [PictureRow("image", images.array)], [], {}
    for levels, name in full_size(trained.scale).items():
        drawn = trained.sampler(name, finish=False).reconstruct(images)
        pictures.append(PictureRow(f"f(z), {levels} levels", drawn.f_z))
        scores[levels] = trained.scores(name)
        shown = (scores[levels].bound, scores[levels].bits_per_dim, scores[levels].kl)
        rows.append(_LevelsRow(levels, *map(estimate, shown)))
    weight = trained.scale.main_lambda
    title = f"Figure 8: fewer colour levels of y, lambda {weight}"
    return Report(title, rows, figure8_claims(scores), [rows_grid(pictures)])


def figure8_claims(scores: Mapping[int, Scores]) -> list[Claim]:
    """Returns the claims of Figure 8, by each of the two bounds.

    Args:
      scores: the scores of each model, by `COLOR_LEVELS`.
    """
    claims = []
    for name in ("single-sample bound", "importance-weighted bound"):
        bounds = {levels: scores[levels].bounds[name] for levels in COLOR_LEVELS}
        gains = [
            above(f"{more} - {fewer} levels", bounds[more] - bounds[fewer])
            for more, fewer in zip(COLOR_LEVELS, COLOR_LEVELS[1:])
        ]
        most, fewest = COLOR_LEVELS[0], COLOR_LEVELS[-1]
        whole = above(f"{most} - {fewest} levels", bounds[most] - bounds[fewest])
        claims += [
            Claim(f"Fewer levels gain bits/dim, in all ({name})", [whole]),
            Claim(
                f"Small, consistent gains: every step to fewer levels is one ({name})",
                gains,
            ),
        ]
    return claims


@artifact(lambda scale: [*full_size(scale).values(), *auxiliaries(scale).values()])
def figure9(trained: TrainedRuns) -> Report:
    """Makes Figure 9: f(z), samples and bits/dim for gray and for smaller y."""
    pictures, names = [], auxiliaries(trained.scale)
    for title, name in names.items():
        drawn = trained.sampler(name).prior(NUM_COLUMNS)
        pictures += [
            row._replace(caption=f"{title}: {row.caption}") for row in drawn.rows
        ]
    others = {_levels(n): name for n, name in full_size(trained.scale).items()}
    rows = []
    for title, name in {**names, **others}.items():
        scores = trained.scores(name)
        rows.append(_AuxiliaryRow(title, estimate(scores.bound), estimate(scores.kl)))
    claims = figure9_claims(
        {title: trained.scores(name).bound for title, name in names.items()},
        {title: trained.scores(name).bound for title, name in others.items()},
    )
    title = f"Figure 9: other auxiliary images, lambda {trained.scale.main_lambda}"
    return Report(title, rows, claims, [rows_grid(pictures)])


def figure9_claims(
    bounds: Mapping[str, np.ndarray], full_size_bounds: Mapping[str, np.ndarray]
) -> list[Claim]:
    """Returns the claim of Figure 9.

    Noise hides which full-size model is the best, so each is compared: the claim is
    true of the best one if and only if it is true of all.

    Args:
      bounds: [S,N] bits/dim of the models of Figure 9, by title.
      full_size_bounds: [S,N] bits/dim of the models whose y has full size and colour,
        by title. A model that is among both is not compared with itself.
    """
    return [
        Claim(
            f"All are comparable (within {_COMPARABLE} bits/dim) to the best full-size "
            "model, whichever that is: to each of them",
            [
                below(
                    f"{title} - {other}", bound - full_size_bounds[other], _COMPARABLE
                )
                for title, bound in bounds.items()
                for other in full_size_bounds
                if other != title
            ],
        )
    ]


def _levels(count: int) -> str:
    return f"{count} levels"
