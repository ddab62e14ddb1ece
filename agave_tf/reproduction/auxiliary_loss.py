"""What the auxiliary loss does: Figure 7, and what others would try instead."""

from agave_tf.errors import InputError
from agave_tf.pictures.rows import PictureRow, rows_grid
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    rms_difference,
    stacked,
)
from agave_tf.reproduction.planned_runs import BASELINES, MAIN, PROBED, SEEDS
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.workspace import Workspace

_FEATURES = ("pixels", "z, mean", "z, drawn", "f(z)")


def figure7(workspace: Workspace) -> Report:
    """The joint model, what the ablation makes of it, and what its control does."""
    columns = ["run", "seed", "KL", "bits/dim", "RMS error of f(z), levels"]
    table, curves, rows = [], {}, []
    images = workspace.held_out().first(NUM_COLUMNS)
    for kind, seed in [("before", 0)] + [
        (kind, seed) for kind in ("ablation", "control") for seed in SEEDS
    ]:
        name = MAIN if kind == "before" else f"{kind}_seed_{seed}"
        score = workspace.scores(name)
        sampler = workspace.sampler(name)
        image, f_z, finished = sampler.reconstruct(images)
        error = rms_difference(image, f_z)
        table.append([kind, seed, score["kl"], workspace.bound(name), error])
        if kind != "before":
            curves[f"{kind}, seed {seed}"] = workspace.kl_curve(name)
        if seed == 0:
            rows += [image] if not rows else []
            drawn = {"image": (f_z, finished), "prior": sampler.prior(NUM_COLUMNS)}
            rows += [
                row._replace(caption=f"{kind}: {row.caption}, {of}")
                for of, of_rows in drawn.items()
                for row in of_rows
            ]
    kl_before, error_before = table[0][2], table[0][4]
    of_kind = {
        kind: [row for row in table if row[0] == kind]
        for kind in ("ablation", "control")
    }
    kls = {kind: [row[2] for row in found] for kind, found in of_kind.items()}
    claims = [
        Claim(
            "Without the auxiliary loss the KL falls to about zero (a twentieth)",
            max(kls["ablation"]) < 0.05 * kl_before,
            {"before": kl_before, "after": kls["ablation"]},
        ),
        Claim(
            "With it, as many more steps keep the KL (at least half)",
            min(kls["control"]) > 0.5 * kl_before,
            {"before": kl_before, "after": kls["control"]},
        ),
        Claim(
            "Reconstructions become meaningless (RMS error of f(z) doubles)",
            min(row[4] for row in of_kind["ablation"]) > 2 * error_before,
            {"before": error_before, "after": [r[4] for r in of_kind["ablation"]]},
        ),
    ]
    chart = Chart("KL after joint training", "step", "bits/dim", curves)
    figure = stacked(draw_charts([chart]), rows_grid(rows))
    title = "Figure 7: the auxiliary loss dropped after joint training"
    return Report(title, columns, table, claims, figure)


def baselines(workspace: Workspace) -> Report:
    """From scratch, every model with as many steps and lambda 1."""
    images = workspace.held_out().first(NUM_COLUMNS)
    rows, table, curves = [PictureRow("image", images.image)], [], {}
    for title, name in BASELINES.items():
        table.append([title, workspace.scores(name)["kl"], workspace.bound(name)])
        curves[title] = workspace.kl_curve(name)
        finished = workspace.sampler(name).reconstruct(images)[-1]
        rows.append(finished._replace(caption=title))
    kls = {row[0]: row[1] for row in table}
    with_loss, without, *remedies = kls.values()
    claims = [
        Claim(
            "From scratch too, the KL is about zero (a twentieth of what it is with "
            "the auxiliary loss) without it",
            without < 0.05 * with_loss,
            dict(list(kls.items())[:2]),
        ),
        Claim(
            "None of the other remedies gives the latents as much to say (KL)",
            max(remedies) < with_loss,
            kls,
        ),
    ]
    figure = stacked(
        draw_charts([Chart("KL from scratch", "step", "bits/dim", curves)]),
        rows_grid(rows),
    )
    title = "Baselines: what others would try instead of the auxiliary loss"
    return Report(title, ["model", "KL", "bits/dim"], table, claims, figure)


def probe(workspace: Workspace) -> Report:
    """How well a linear classifier tells classes from the latents of each model.

    Raises:
      InputError: the images have no labels.
    """
    if workspace.held_out().label is None:
        raise InputError(
            "`artifact` probe must have a `dataset` with labels; this one has none."
        )
    table = []
    for title, (name, has_auxiliary_loss) in PROBED.items():
        scores = workspace.scores(name)
        probed = [scores[f"probe {features}"] for features in _FEATURES]
        table.append([title, has_auxiliary_loss, scores["kl"], *probed])
    accuracy = {row[0]: row[-2] for row in table}
    with_loss = [row[-2] for row in table if row[1]]
    without = [row[-2] for row in table if not row[1]]
    claim = Claim(
        "Drawn latents tell classes better in every model trained with the auxiliary "
        "loss than in any without",
        min(with_loss) > max(without),
        accuracy,
    )
    columns = ["model", "auxiliary loss", "KL", *_FEATURES]
    title = "Probe: accuracy of a linear classifier on the latents"
    return Report(title, columns, table, [claim])
