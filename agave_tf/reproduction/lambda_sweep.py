"""Figures 3 and 4: the effect of lambda."""

import dataclasses

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.pictures.picture_row import PictureRow, rows_grid
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.claim import Claim, above
from agave_tf.reproduction.compared_models import LAMBDAS, lambda_run
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    NUM_COMPARED,
    error_of_f_z,
    roughness,
)
from agave_tf.reproduction.report import Report, column, headings_of
from agave_tf.reproduction.trained_runs import TrainedRuns

_FIRST, _LAST = LAMBDAS[0], LAMBDAS[-1]


@dataclasses.dataclass(frozen=True)
class _Figure3Row:
    weight: int = column("lambda")
    error: Estimate = column("RMS error of VR (± images ± seeds)")
    reconstruction_roughness: Estimate = column("roughness of VR")
    sample_roughness: Estimate = column("roughness of VS")


@dataclasses.dataclass(frozen=True)
class _Figure4Row:
    """In bits/dim; the VAE's per dimension of y."""

    weight: int = column("lambda")
    vae: Estimate = column("VAE (± images ± seeds)")
    pixel_cnn: Estimate = column("PixelCNN++")
    bound: Estimate = column("PixelCNN++, bound")
    kl: Estimate = column("KL")
    auxiliary_reconstruction: Estimate = column("reconstruction of the VAE")
    primary_reconstruction: Estimate = column("reconstruction of the PixelCNN++")


def figure3(trained: TrainedRuns) -> Report:
    """Makes Figure 3: reconstructions and samples for each lambda."""
    held_out = trained.held_out(lambda_run(_FIRST))
    images, compared = held_out.first(NUM_COLUMNS), held_out.first(NUM_COMPARED)
    pictures = [PictureRow("image", images.image)]
    errors, of_reconstruction, of_sample = {}, {}, {}
    for weight in LAMBDAS:
        name = lambda_run(weight)
        sampler = trained.sampler(name)
        _, f_z, _ = sampler.reconstruct(images)
        vae_sample, sample = sampler.prior(NUM_COLUMNS)
        drawn = {"VR": f_z, "VS": vae_sample, "PS": sample}
        pictures += [
            row._replace(caption=f"{kind}, lambda {weight}")
            for kind, row in drawn.items()
        ]
        errors[weight] = trained.of_samplers(name, lambda s: error_of_f_z(s, compared))
        of_reconstruction[weight] = trained.of_samplers(
            name, lambda s: roughness(s.reconstruct(compared)[1])
        )
        of_sample[weight] = trained.of_samplers(
            name, lambda s: roughness(s.prior(len(compared.image))[0])
        )
    rows = [
        _Figure3Row(
            weight,
            estimate(errors[weight]),
            estimate(of_reconstruction[weight]),
            estimate(of_sample[weight]),
        )
        for weight in LAMBDAS
    ]
    gaps = {w: _gap(of_reconstruction[w], of_sample[w]) for w in (_FIRST, _LAST)}
    claims = [
        Claim(
            "Reconstructions lose detail as lambda grows (RMS error of VR, levels)",
            [
                above(
                    f"lambda {_LAST} - lambda {_FIRST}", errors[_LAST] - errors[_FIRST]
                )
            ],
        ),
        Claim(
            "VAE samples become more similar to reconstructions as lambda grows (gap "
            "between their mean absolute differences of neighbouring pixels, levels)",
            [above(f"lambda {_FIRST} - lambda {_LAST}", gaps[_FIRST] - gaps[_LAST])],
        ),
    ]
    title = "Figure 3: reconstructions VR, VAE samples VS, PixelCNN++ samples PS"
    return Report(title, rows, claims, rows_grid(pictures))


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[S,N], the mean of which is the distance of the means of a and b."""
    return (a - b) * np.sign((a - b).mean())


def figure4(trained: TrainedRuns) -> Report:
    """Makes Figure 4: bits/dim and their parts for each lambda."""
    scores = {weight: trained.scores(lambda_run(weight)) for weight in LAMBDAS}
    rows = [
        _Figure4Row(
            weight,
            vae=estimate(of_weight.auxiliary_reconstruction + of_weight.kl),
            pixel_cnn=estimate(of_weight.bits_per_dim),
            bound=estimate(of_weight.bound),
            kl=estimate(of_weight.kl),
            auxiliary_reconstruction=estimate(of_weight.auxiliary_reconstruction),
            primary_reconstruction=estimate(of_weight.primary_reconstruction),
        )
        for weight, of_weight in scores.items()
    ]
    steps = list(zip(LAMBDAS, LAMBDAS[1:]))
    gains = {
        after: scores[before].bound - scores[after].bound for before, after in steps
    }
    first, *later = gains
    claims = [
        Claim(
            "KL falls with lambda",
            [
                above(f"KL, lambda {a} - {b}", scores[a].kl - scores[b].kl)
                for a, b in steps
            ],
        ),
        Claim(
            "Bits/dim gain from lambda 1 to 2, and less from then on",
            [
                above(f"gain to lambda {first}", gains[first]),
                *(
                    above(f"gain to {first} - gain to {w}", gains[first] - gains[w])
                    for w in later
                ),
            ],
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
        headings[field].split(" (")[0]: (
            weights,
            [getattr(row, field).mean for row in rows],
        )
        for field in fields
    }
    return Chart(title, "lambda", "bits/dim", curves)
