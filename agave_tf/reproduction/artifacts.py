"""Every table and figure of section 4: which runs it needs, how it is made of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from agave_tf.picture_rows import PictureRow
from agave_tf.pictures import image_grid
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.planned_runs import (
    COLOR_LEVELS,
    LAMBDAS,
    MAIN,
    MAIN_LAMBDA,
    SEEDS,
)
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.workspace import Workspace

_COLUMNS = 8

# Bits/dim on CIFAR-10 at 32x32, as their papers report them; bounds are <=.
PUBLISHED = {
    "NICE (Dinh et al. 2015)": "4.48",
    "Conv. DRAW (Gregor et al. 2016)": "<= 3.58",
    "Real NVP (Dinh et al. 2017)": "3.49",
    "MatNet (Bachman 2016)": "<= 3.24",
    "PixelCNN (van den Oord et al. 2016)": "3.14",
    "VAE-IAF (Kingma et al. 2016)": "<= 3.11",
    "Gated PixelCNN (van den Oord et al. 2016)": "3.03",
    "Pixel-RNN (van den Oord et al. 2016)": "3.00",
    "Lossy VAE (Chen et al. 2017)": "<= 2.95",
    "PixelCNN++ (Salimans et al. 2017)": "2.92",
    "AGAVE, lambda 12 (Lucas & Verbeek 2018)": "<= 2.92",
}


class Artifact(NamedTuple):
    """A table or figure.

    runs: names of the planned runs it shows.
    make: from a workspace where they are trained.
    """

    runs: list[str]
    make: Callable[[Workspace], Report]


def _lambda_run(weight: int) -> str:
    return f"joint_lambda_{weight}"


def _table1(workspace: Workspace) -> Report:
    names = {
        "VAE-IAF alone": "pretrain_vae",
        "PixelCNN++ alone, before joint training": "pretrain_pixel_cnn",
        "PixelCNN++ alone, as many steps as AGAVE's": "longer_pixel_cnn",
        f"AGAVE, lambda {LAMBDAS[-1]}": _lambda_run(LAMBDAS[-1]),
    }
    bounds = {title: workspace.bound(name) for title, name in names.items()}
    vae, _, pixel_cnn, agave = bounds.values()
    size = "x".join(map(str, workspace.run("pretrain_vae").image_shape[:2]))
    rows: list[list[Any]] = [
        [title, "ours", size, f"{bound:.4f}"] for title, bound in bounds.items()
    ]
    rows += [[title, "published", "32x32", bits] for title, bits in PUBLISHED.items()]
    numbers = {"VAE": vae, "PixelCNN++": pixel_cnn, "AGAVE": agave}
    claims = [
        Claim(
            "AGAVE is within 0.02 bits/dim of PixelCNN++ alone, after as many steps",
            agave - pixel_cnn <= 0.02,
            numbers | {"difference": agave - pixel_cnn},
        ),
        Claim("AGAVE is far (0.15) below the VAE", agave < vae - 0.15, numbers),
    ]
    columns = ["model", "whose", "images", "bits/dim"]
    return Report("Table 1: bits/dim on CIFAR-10", columns, rows, claims)


def _figure2(workspace: Workspace) -> Report:
    rows = []
    for title, name in (
        ("VAE", "pretrain_vae"),
        ("PixelCNN++", "pretrain_pixel_cnn"),
        ("AGAVE", _lambda_run(LAMBDAS[-1])),
    ):
        drawn = workspace.sampler(name).prior(_COLUMNS)
        rows += [row._replace(caption=f"{title} {row.caption}") for row in drawn]
    title = (
        "Figure 2: samples of the VAE, of the PixelCNN++, and of AGAVE with its f(z)"
    )
    return Report(title, [], [], figure=_grid(rows))


def _figure3(workspace: Workspace) -> Report:
    rows = [PictureRow("image", workspace.held_out().first(_COLUMNS).image)]
    table, errors, differences = [], [], []
    for weight in LAMBDAS:
        sampler = workspace.sampler(_lambda_run(weight))
        image, f_z, finished = sampler.reconstruct(workspace.held_out().first(_COLUMNS))
        vae_sample, sample = sampler.prior(_COLUMNS)
        of_weight = {"VR": f_z, "VS": vae_sample, "PS": sample}
        rows += [
            row._replace(caption=f"{name}, lambda {weight}")
            for name, row in of_weight.items()
        ]
        errors.append(_error(image, f_z))
        # How unlike each other samples and reconstructions are, in what blurs them.
        differences.append(abs(_roughness(f_z) - _roughness(vae_sample)))
        table.append([weight, errors[-1], _roughness(f_z), _roughness(vae_sample)])
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
    return Report(title, columns, table, claims, _grid(rows))


def _figure4(workspace: Workspace) -> Report:
    scores = [workspace.scores(_lambda_run(weight)) for weight in LAMBDAS]
    table = []
    for weight, score in zip(LAMBDAS, scores):
        kl = score["kl"]
        vae = score["auxiliary_reconstruction"] + kl
        table.append(
            [
                weight,
                vae,
                score["bits_per_dim"],
                workspace.bound(_lambda_run(weight)),
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


def _figure5(workspace: Workspace) -> Report:
    rows = workspace.sampler(MAIN).prior(_COLUMNS, num_samples=10)
    f_z, *samples = rows
    own = np.mean([_error(f_z, sample) for sample in samples])
    other = f_z._replace(images=np.roll(f_z.images, 1, axis=0))
    others = np.mean([_error(other, sample) for sample in samples])
    claim = Claim(
        "Samples respect f(z): nearer to their own than to another (RMS, levels)",
        bool(own < others),
        {"own": float(own), "another": float(others)},
    )
    title = "Figure 5: f(z), and ten samples from each"
    return Report(title, [], [], [claim], _grid(rows))


def _figure6(workspace: Workspace) -> Report:
    pairs = workspace.held_out().first(8)
    rows = workspace.sampler(MAIN).interpolate(pairs)
    title = "Figure 6: from one image to another, along z"
    return Report(title, [], [], figure=_grid(rows))


def _figure7(workspace: Workspace) -> Report:
    columns = ["run", "seed", "KL", "bits/dim", "RMS error of f(z), levels"]
    table, curves, rows = [], {}, []
    images = workspace.held_out().first(_COLUMNS)
    for kind, seed in [("before", 0)] + [
        (kind, seed) for kind in ("ablation", "control") for seed in SEEDS
    ]:
        name = MAIN if kind == "before" else f"{kind}_seed_{seed}"
        score = workspace.scores(name)
        sampler = workspace.sampler(name)
        image, f_z, finished = sampler.reconstruct(images)
        error = _error(image, f_z)
        table.append([kind, seed, score["kl"], workspace.bound(name), error])
        if kind != "before":
            curves[f"{kind}, seed {seed}"] = workspace.kl_curve(name)
        if seed == 0:
            rows += [image] if not rows else []
            rows += [
                row._replace(caption=f"{kind}: {row.caption}")
                for row in (f_z, finished, *sampler.prior(_COLUMNS))
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
    figure = _stacked(draw_charts([chart]), _grid(rows))
    title = "Figure 7: the auxiliary loss dropped after joint training"
    return Report(title, columns, table, claims, figure)


def _level_run(levels: int) -> str:
    return MAIN if levels == 256 else f"joint_levels_{levels}"


def _figure8(workspace: Workspace) -> Report:
    images = workspace.held_out().first(_COLUMNS)
    rows, table = [PictureRow("image", images.image)], []
    for levels in COLOR_LEVELS:
        name = _level_run(levels)
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
    return Report(title, columns, table, [claim], _grid(rows))


_AUXILIARIES = {
    "gray, 16 levels": "joint_gray_16",
    "32 levels": "joint_levels_32",
    "32 levels, half size": "joint_levels_32_downsampled_2",
    "32 levels, quarter size": "joint_levels_32_downsampled_4",
}


def _figure9(workspace: Workspace) -> Report:
    rows, table = [], []
    for title, name in _AUXILIARIES.items():
        drawn = workspace.sampler(name).prior(_COLUMNS)
        rows += [row._replace(caption=f"{title}: {row.caption}") for row in drawn]
        table.append([title, workspace.bound(name), workspace.scores(name)["kl"]])
    best = min(workspace.bound(_level_run(levels)) for levels in COLOR_LEVELS)
    worst = max(row[1] for row in table)
    claim = Claim(
        "All are comparable (within 0.05 bits/dim) to the best full-size model",
        worst - best <= 0.05,
        {"best full-size": best, "worst of these": worst},
    )
    columns = ["y", "bits/dim", "KL"]
    title = f"Figure 9: other auxiliary images, lambda {MAIN_LAMBDA}"
    return Report(title, columns, table, [claim], _grid(rows))


_PRETRAINED = ["pretrain_vae", "pretrain_pixel_cnn"]
_OF_LAMBDA = [_lambda_run(weight) for weight in LAMBDAS]
_OF_LEVELS = [_level_run(levels) for levels in COLOR_LEVELS]

ARTIFACTS: dict[str, Artifact] = {
    "table1": Artifact([*_PRETRAINED, "longer_pixel_cnn", _OF_LAMBDA[-1]], _table1),
    "figure2": Artifact([*_PRETRAINED, _OF_LAMBDA[-1]], _figure2),
    "figure3": Artifact(_OF_LAMBDA, _figure3),
    "figure4": Artifact(_OF_LAMBDA, _figure4),
    "figure5": Artifact([MAIN], _figure5),
    "figure6": Artifact([MAIN], _figure6),
    "figure7": Artifact(
        [
            MAIN,
            *(f"{kind}_seed_{s}" for kind in ("ablation", "control") for s in SEEDS),
        ],
        _figure7,
    ),
    "figure8": Artifact(_OF_LEVELS, _figure8),
    "figure9": Artifact([*_OF_LEVELS, *_AUXILIARIES.values()], _figure9),
}


def _grid(rows: list[PictureRow]) -> np.ndarray:
    captions = [row.caption for row in rows]
    return image_grid([row.images for row in rows], scale=2, captions=captions)


def _stacked(*pictures: np.ndarray) -> np.ndarray:
    """Pictures below each other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [
        np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255)
        for p in pictures
    ]
    return np.concatenate(padded)


def _error(a: PictureRow, b: PictureRow) -> float:
    """Root mean square difference, levels."""
    difference = a.images.astype(np.float64) - b.images
    return float(np.sqrt(np.mean(np.square(difference))))


def _roughness(row: PictureRow) -> float:
    """Mean absolute difference of neighbouring pixels of a row, levels."""
    return float(np.abs(np.diff(row.images.astype(np.float64), axis=2)).mean())
