"""Figures 2, 5 and 6: samples, and interpolations between images."""

import numpy as np

from agave_tf.pictures.picture_row import rows_grid
from agave_tf.pictures.rows import Sampler
from agave_tf.reproduction.claim import Claim, above
from agave_tf.reproduction.compared_models import LAMBDAS, MAIN, lambda_run
from agave_tf.reproduction.picture_comparison import NUM_COLUMNS, rms_difference
from agave_tf.reproduction.report import Report
from agave_tf.reproduction.trained_runs import TrainedRuns

# Samples that Figure 5 compares with f(z), of every training.
_NUM_DRAWN = 64


def figure2(trained: TrainedRuns) -> Report:
    """Makes Figure 2: samples of the VAE, of the PixelCNN++, and of AGAVE."""
    pictures = []
    for title, name in (
        ("VAE", "pretrain_vae"),
        ("PixelCNN++", "pretrain_pixel_cnn"),
        ("AGAVE", lambda_run(LAMBDAS[-1])),
    ):
        drawn = trained.sampler(name).prior(NUM_COLUMNS)
        pictures += [row._replace(caption=f"{title} {row.caption}") for row in drawn]
    title = (
        "Figure 2: samples of the VAE, of the PixelCNN++, and of AGAVE with its f(z)"
    )
    return Report(title, figure=rows_grid(pictures))


def figure5(trained: TrainedRuns) -> Report:
    """Makes Figure 5: ten samples of the PixelCNN++ for each f(z)."""
    pictures = trained.sampler(MAIN).prior(NUM_COLUMNS, num_samples=10)
    nearer = trained.of_samplers(MAIN, _nearer_to_own, finish=True)
    claim = Claim(
        "Samples respect f(z): they are nearer to their own than to another (RMS, "
        "levels)",
        [above("distance to another - to their own", nearer)],
    )
    title = "Figure 5: f(z), and ten samples from each"
    return Report(title, claims=[claim], figure=rows_grid(pictures))


def _nearer_to_own(sampler: Sampler) -> np.ndarray:
    """How much nearer every sample is to its own f(z) than to another one, [N]."""
    f_z, sample = sampler.prior(_NUM_DRAWN)
    other = f_z._replace(images=np.roll(f_z.images, 1, axis=0))
    return rms_difference(other, sample) - rms_difference(f_z, sample)


def figure6(trained: TrainedRuns) -> Report:
    """Makes Figure 6: interpolations between pairs of held-out images along z."""
    pairs = trained.held_out(MAIN).first(NUM_COLUMNS, multiple_of=2)
    pictures = trained.sampler(MAIN).interpolate(pairs)
    title = "Figure 6: from one image to another, along z"
    return Report(title, figure=rows_grid(pictures))
