"""Figures 2, 5 and 6: samples, and interpolations between images."""

import numpy as np

from agave_tf.pictures.picture_row import rows_grid
from agave_tf.reproduction.picture_comparison import NUM_COLUMNS, rms_difference
from agave_tf.reproduction.planned_runs import LAMBDAS, MAIN, lambda_run
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.trained_runs import TrainedRuns


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
    f_z, *samples = pictures
    own = np.mean([rms_difference(f_z, sample) for sample in samples])
    # Every sample is compared with the f(z) of the column before it too.
    other = f_z._replace(images=np.roll(f_z.images, 1, axis=0))
    others = np.mean([rms_difference(other, sample) for sample in samples])
    claim = Claim(
        "Samples respect f(z): they are nearer to their own than to another (RMS, "
        "levels)",
        bool(own < others),
        {"own": float(own), "another": float(others)},
    )
    title = "Figure 5: f(z), and ten samples from each"
    return Report(title, claims=[claim], figure=rows_grid(pictures))


def figure6(trained: TrainedRuns) -> Report:
    """Makes Figure 6: interpolations between pairs of held-out images along z."""
    pairs = trained.held_out(MAIN).first(NUM_COLUMNS, multiple_of=2)
    pictures = trained.sampler(MAIN).interpolate(pairs)
    title = "Figure 6: from one image to another, along z"
    return Report(title, figure=rows_grid(pictures))
