"""Figures 3 and 4: the effect of lambda."""

import dataclasses

from agave_tf.pictures.picture_row import PictureRow, rows_grid
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    rms_difference,
    roughness,
)
from agave_tf.reproduction.planned_runs import LAMBDAS, lambda_run
from agave_tf.reproduction.report import Claim, Report, column, headings_of
from agave_tf.reproduction.trained_runs import TrainedRuns


@dataclasses.dataclass(frozen=True)
class _Figure3Row:
    weight: int = column("lambda")
    error: float = column("RMS error of VR")
    reconstruction_roughness: float = column("roughness of VR")
    sample_roughness: float = column("roughness of VS")

    @property
    def roughness_gap(self) -> float:
        """How far VAE samples are from reconstructions in sharpness, levels."""
        return abs(self.reconstruction_roughness - self.sample_roughness)


@dataclasses.dataclass(frozen=True)
class _Figure4Row:
    """In bits/dim; the VAE's per dimension of y."""

    weight: int = column("lambda")
    vae: float = column("VAE")
    pixel_cnn: float = column("PixelCNN++")
    bound: float = column("PixelCNN++, bound")
    kl: float = column("KL")
    auxiliary_reconstruction: float = column("reconstruction of the VAE")
    primary_reconstruction: float = column("reconstruction of the PixelCNN++")


def figure3(trained: TrainedRuns) -> Report:
    """Makes Figure 3: reconstructions and samples for each lambda."""
    images = trained.held_out(lambda_run(LAMBDAS[0])).first(NUM_COLUMNS)
    pictures, rows = [PictureRow("image", images.image)], []
    for weight in LAMBDAS:
        sampler = trained.sampler(lambda_run(weight))
        image, f_z, _ = sampler.reconstruct(images)
        vae_sample, sample = sampler.prior(NUM_COLUMNS)
        drawn = {"VR": f_z, "VS": vae_sample, "PS": sample}
        pictures += [
            row._replace(caption=f"{name}, lambda {weight}")
            for name, row in drawn.items()
        ]
        error = rms_difference(image, f_z)
        rows.append(_Figure3Row(weight, error, roughness(f_z), roughness(vae_sample)))
    claims = [
        Claim(
            "Reconstructions lose detail as lambda grows (RMS error of VR, levels)",
            rows[-1].error > rows[0].error,
            {f"lambda {row.weight}": row.error for row in rows},
        ),
        Claim(
            "VAE samples become more similar to reconstructions as lambda grows (gap "
            "between their mean absolute differences of neighbouring pixels, levels)",
            rows[-1].roughness_gap < rows[0].roughness_gap,
            {f"lambda {row.weight}": row.roughness_gap for row in rows},
        ),
    ]
    title = "Figure 3: reconstructions VR, VAE samples VS, PixelCNN++ samples PS"
    return Report(title, rows, claims, rows_grid(pictures))


def figure4(trained: TrainedRuns) -> Report:
    """Makes Figure 4: bits/dim and their parts for each lambda."""
    rows = []
    for weight in LAMBDAS:
        scores = trained.scores(lambda_run(weight))
        rows.append(
            _Figure4Row(
                weight=weight,
                vae=scores.auxiliary_reconstruction + scores.kl,
                pixel_cnn=scores.bits_per_dim,
                bound=scores.bound,
                kl=scores.kl,
                auxiliary_reconstruction=scores.auxiliary_reconstruction,
                primary_reconstruction=scores.primary_reconstruction,
            )
        )
    gains = [before.bound - after.bound for before, after in zip(rows, rows[1:])]
    claims = [
        Claim(
            "KL falls with lambda",
            all(after.kl < before.kl for before, after in zip(rows, rows[1:])),
            {f"lambda {row.weight}": row.kl for row in rows},
        ),
        Claim(
            "Bits/dim gain from lambda 1 to 2, and less from then on",
            gains[0] > 0 and all(gain < gains[0] for gain in gains[1:]),
            {f"to lambda {w}": gain for w, gain in zip(LAMBDAS[1:], gains)},
        ),
    ]
    parts = ("kl", "auxiliary_reconstruction", "primary_reconstruction")
    charts = [
        _chart("Bits/dim", rows, ("vae", "pixel_cnn", "bound")),
        _chart("Its parts", rows, parts),
    ]
    title = "Figure 4: bits/dim and their parts over lambda"
    return Report(title, rows, claims, draw_charts(charts))


def _chart(title: str, rows: list[_Figure4Row], fields: tuple[str, ...]) -> Chart:
    headings, weights = headings_of(_Figure4Row), [row.weight for row in rows]
    curves = {
        headings[field]: (weights, [getattr(row, field) for row in rows])
        for field in fields
    }
    return Chart(title, "lambda", "bits/dim", curves)
