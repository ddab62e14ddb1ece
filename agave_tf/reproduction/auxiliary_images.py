"""Figures 8 and 9: what the auxiliary image is."""

from agave_tf.pictures.rows import PictureRow, rows_grid
from agave_tf.reproduction.picture_comparison import NUM_COLUMNS
from agave_tf.reproduction.planned_runs import (
    AUXILIARIES,
    COLOR_LEVELS,
    MAIN_LAMBDA,
    levels_run,
)
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.workspace import Workspace


def figure8(workspace: Workspace) -> Report:
    """f(z) and bits/dim for each number of colour levels."""
    images = workspace.held_out().first(NUM_COLUMNS)
    rows, table = [PictureRow("image", images.image)], []
    for levels in COLOR_LEVELS:
        name = levels_run(levels)
        _, f_z = workspace.sampler(name, finish=False).reconstruct(images)
        rows.append(f_z._replace(caption=f"f(z), {levels} levels"))
        table.append([levels, workspace.bound(name), workspace.scores(name)["kl"]])
    bounds = [row[1] for row in table]
    claim = Claim(
        "Small, consistent gains with fewer levels",
        all(b <= a for a, b in zip(bounds, bounds[1:])),
        {f"{levels} levels": bound for levels, bound in zip(COLOR_LEVELS, bounds)},
    )
    columns = ["colour levels", "bits/dim", "KL"]
    title = f"Figure 8: fewer colour levels of y, lambda {MAIN_LAMBDA}"
    return Report(title, columns, table, [claim], rows_grid(rows))


def figure9(workspace: Workspace) -> Report:
    """f(z) above samples, and bits/dim, for gray and for smaller y."""
    rows, table = [], []
    for title, name in AUXILIARIES.items():
        drawn = workspace.sampler(name).prior(NUM_COLUMNS)
        rows += [row._replace(caption=f"{title}: {row.caption}") for row in drawn]
        table.append([title, workspace.bound(name), workspace.scores(name)["kl"]])
    best = min(workspace.bound(levels_run(levels)) for levels in COLOR_LEVELS)
    worst = max(row[1] for row in table)
    claim = Claim(
        "All are comparable (within 0.05 bits/dim) to the best full-size model",
        worst - best <= 0.05,
        {"best full-size": best, "worst of these": worst},
    )
    columns = ["y", "bits/dim", "KL"]
    title = f"Figure 9: other auxiliary images, lambda {MAIN_LAMBDA}"
    return Report(title, columns, table, [claim], rows_grid(rows))
