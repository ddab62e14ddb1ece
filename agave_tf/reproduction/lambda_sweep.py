"""Figures 3 and 4: what lambda does."""

from agave_tf.pictures.rows import PictureRow, rows_grid
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    rms_difference,
    roughness,
)
from agave_tf.reproduction.planned_runs import LAMBDAS, lambda_run
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.workspace import Workspace


def figure3(workspace: Workspace) -> Report:
    """Reconstructions and samples for each lambda."""
    images = workspace.held_out().first(NUM_COLUMNS)
    rows = [PictureRow("image", images.image)]
    table, errors, differences = [], [], []
    for weight in LAMBDAS:
        sampler = workspace.sampler(lambda_run(weight))
        image, f_z, _ = sampler.reconstruct(images)
        vae_sample, sample = sampler.prior(NUM_COLUMNS)
        of_weight = {"VR": f_z, "VS": vae_sample, "PS": sample}
        rows += [
            row._replace(caption=f"{name}, lambda {weight}")
            for name, row in of_weight.items()
        ]
        errors.append(rms_difference(image, f_z))
        # How unlike each other samples and reconstructions are, in what blurs them.
        differences.append(abs(roughness(f_z) - roughness(vae_sample)))
        table.append([weight, errors[-1], roughness(f_z), roughness(vae_sample)])
    claims = [
        Claim(
            "Reconstructions lose detail as lambda grows (RMS error of VR, levels)",
            errors[-1] > errors[0],
            {f"lambda {w}": e for w, e in zip(LAMBDAS, errors)},
        ),
        Claim(
            "VAE samples get more alike to reconstructions as lambda grows (gap "
            "between their mean absolute differences of neighbouring pixels, levels)",
            differences[-1] < differences[0],
            {f"lambda {w}": d for w, d in zip(LAMBDAS, differences)},
        ),
    ]
    columns = ["lambda", "RMS error of VR", "roughness of VR", "roughness of VS"]
    title = "Figure 3: reconstructions VR, VAE samples VS, PixelCNN++ samples PS"
    return Report(title, columns, table, claims, rows_grid(rows))


def figure4(workspace: Workspace) -> Report:
    """Bits/dim and their parts for each lambda."""
    scores = [workspace.scores(lambda_run(weight)) for weight in LAMBDAS]
    table = []
    for weight, score in zip(LAMBDAS, scores):
        kl = score["kl"]
        vae = score["auxiliary_reconstruction"] + kl
        table.append(
            [
                weight,
                vae,
                score["bits_per_dim"],
                workspace.bound(lambda_run(weight)),
                kl,
                score["auxiliary_reconstruction"],
                score["primary_reconstruction"],
            ]
        )
    columns = [
        *("lambda", "VAE", "PixelCNN++", "PixelCNN++, bound", "KL"),
        *("reconstruction of the VAE", "reconstruction of the PixelCNN++"),
    ]
    kls, bounds = [row[4] for row in table], [row[3] for row in table]
    gains = [before - after for before, after in zip(bounds, bounds[1:])]
    claims = [
        Claim(
            "KL falls with lambda",
            all(b < a for a, b in zip(kls, kls[1:])),
            {f"lambda {w}": kl for w, kl in zip(LAMBDAS, kls)},
        ),
        Claim(
            "Bits/dim gain from lambda 1 to 2, and less from then on",
            gains[0] > 0 and all(gain < gains[0] for gain in gains[1:]),
            {f"to lambda {w}": gain for w, gain in zip(LAMBDAS[1:], gains)},
        ),
    ]
    by_column = list(zip(*table))
    curves = {name: (LAMBDAS, by_column[i]) for i, name in enumerate(columns) if i}
    of_bits = {name: curves[name] for name in columns[1:4]}
    of_parts = {name: curves[name] for name in columns[4:]}
    charts = [
        Chart("Bits/dim", "lambda", "bits/dim", of_bits),
        Chart("Its parts", "lambda", "bits/dim", of_parts),
    ]
    title = "Figure 4: bits/dim and their parts over lambda"
    return Report(title, columns, table, claims, draw_charts(charts))
