"""Figures 2, 5 and 6: what the models draw."""

import numpy as np

from agave_tf.pictures.rows import rows_grid
from agave_tf.reproduction.picture_comparison import NUM_COLUMNS, rms_difference
from agave_tf.reproduction.planned_runs import LAMBDAS, MAIN, lambda_run
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.workspace import Workspace


def figure2(workspace: Workspace) -> Report:
    """Samples of the parts alone and of AGAVE."""
    rows = []
    for title, name in (
        ("VAE", "pretrain_vae"),
        ("PixelCNN++", "pretrain_pixel_cnn"),
        ("AGAVE", lambda_run(LAMBDAS[-1])),
    ):
        drawn = workspace.sampler(name).prior(NUM_COLUMNS)
        rows += [row._replace(caption=f"{title} {row.caption}") for row in drawn]
    title = (
        "Figure 2: samples of the VAE, of the PixelCNN++, and of AGAVE with its f(z)"
    )
    return Report(title, [], [], figure=rows_grid(rows))


def figure5(workspace: Workspace) -> Report:
    """Many samples from each f(z)."""
    rows = workspace.sampler(MAIN).prior(NUM_COLUMNS, num_samples=10)
    f_z, *samples = rows
    own = np.mean([rms_difference(f_z, sample) for sample in samples])
    other = f_z._replace(images=np.roll(f_z.images, 1, axis=0))
    others = np.mean([rms_difference(other, sample) for sample in samples])
    claim = Claim(
        "Samples respect f(z): nearer to their own than to another (RMS, levels)",
        bool(own < others),
        {"own": float(own), "another": float(others)},
    )
    title = "Figure 5: f(z), and ten samples from each"
    return Report(title, [], [], [claim], rows_grid(rows))


def figure6(workspace: Workspace) -> Report:
    """Pairs of test images, and what lies between their z."""
    pairs = workspace.held_out().first(8)
    rows = workspace.sampler(MAIN).interpolate(pairs)
    title = "Figure 6: from one image to another, along z"
    return Report(title, [], [], figure=rows_grid(rows))
