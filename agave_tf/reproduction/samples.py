"""Figures 2, 5 and 6: samples, and interpolations between images."""

import numpy as np

from agave_tf.pictures.rows import rows_grid
from agave_tf.reproduction.claim import Claim, above
from agave_tf.reproduction.compared_models import FIGURE2, main_run
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    NUM_FINISHED,
    nearer_to_own,
)
from agave_tf.reproduction.report import Report, artifact
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.sampling.sampler import Sampler


@artifact(lambda _: [*FIGURE2.values()])
def figure2(trained: TrainedRuns) -> Report:
    """Makes Figure 2: samples of the VAE, of the PixelCNN++, and of AGAVE."""
    pictures = []
    for title, name in FIGURE2.items():
        drawn = trained.sampler(name).prior(NUM_COLUMNS)
        pictures += [
            row._replace(caption=f"{title} {row.caption}") for row in drawn.rows
        ]
    title = (
        "Figure 2: samples of the VAE, of the PixelCNN++, and of AGAVE with its f(z)"
    )
    return Report(title, figure=[rows_grid(pictures)])


@artifact(lambda scale: [main_run(scale)])
def figure5(trained: TrainedRuns) -> Report:
    """Makes Figure 5: ten samples of the PixelCNN++ for each f(z)."""
    name = main_run(trained.scale)
    pictures = trained.sampler(name).prior(NUM_COLUMNS, num_samples=10).rows
    nearer = trained.measure_pictures(name, _nearer_to_own, finish=True)
    title = f"Figure 5: f(z), and ten samples from each, {_lambda(trained)}"
    return Report(title, claims=figure5_claims(nearer), figure=[rows_grid(pictures)])


def _nearer_to_own(sampler: Sampler) -> np.ndarray:
    drawn = sampler.prior(NUM_FINISHED)
    return nearer_to_own(drawn.f_z, drawn.images[0])


def figure5_claims(nearer: np.ndarray) -> list[Claim]:
    """Returns the claim of Figure 5.

    Args:
      nearer: [S,P], as `nearer_to_own` gives it.
    """
    return [
        Claim(
            "Samples respect f(z): they are nearer to their own than to another (RMS, "
            "levels)",
            [above("distance to another - to their own, by pairs of f(z)", nearer)],
        )
    ]


@artifact(lambda scale: [main_run(scale)])
def figure6(trained: TrainedRuns) -> Report:
    """Makes Figure 6: interpolations between pairs of held-out images along z."""
    name = main_run(trained.scale)
    pairs = trained.held_out(name).first(NUM_COLUMNS, multiple_of=2)
    pictures = trained.sampler(name).interpolate(pairs).rows
    title = f"Figure 6: from one image to another, along z, {_lambda(trained)}"
    return Report(title, figure=[rows_grid(pictures)])


def _lambda(trained: TrainedRuns) -> str:
    return f"lambda {trained.scale.main_lambda}"
