"""Figure 3: reconstructions and samples for each lambda."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.pictures.rows import rows_grid
from agave_tf.reproduction.claim import Claim, above, below
from agave_tf.reproduction.compared_models import LAMBDAS, lambda_run
from agave_tf.reproduction.picture_comparison import (
    NUM_COLUMNS,
    NUM_COMPARED,
    NUM_FINISHED,
    error_of_f_z,
    rms_difference,
    roughness,
)
from agave_tf.reproduction.report import Report, artifact, column
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.sampling.drawn import PictureRow
from agave_tf.sampling.sampler import Sampler

_FIRST, _LAST = LAMBDAS[0], LAMBDAS[-1]
# The lambda whose reconstructions the paper calls near perfect, and those above it.
_NEAR_PERFECT = 2
_LARGER = [weight for weight in LAMBDAS if weight > _NEAR_PERFECT]
# The RMS difference of a near-perfect picture, levels; ours: a peak signal-to-noise
# ratio of 30 dB, where good lossy compression begins.
_SMALL_ERROR = 8.06


class PictureMeasures(NamedTuple):
    """Measures of the pictures of every training of a run, levels.

    N images are compared, and M of them finished by the PixelCNN++.
    """

    error: np.ndarray  # [S,N] RMS difference of images and VR
    reconstruction_roughness: np.ndarray  # [S,N] of VR
    sample_roughness: np.ndarray  # [S,N] of VS
    change: np.ndarray  # [S,M] RMS difference of VR and the image finished from it
    detail: np.ndarray  # [S,M] roughness of the finished image - roughness of VR


@dataclasses.dataclass(frozen=True)
class _Row:
    weight: int = column("lambda")
    error: Estimate = column("RMS error of VR (± images ± seeds)")
    reconstruction_roughness: Estimate = column("roughness of VR")
    sample_roughness: Estimate = column("roughness of VS")
    change: Estimate = column("RMS change of VR by the PixelCNN++")
    detail: Estimate = column("roughness that the PixelCNN++ adds to VR")


@artifact(lambda _: [*map(lambda_run, LAMBDAS)])
def figure3(trained: TrainedRuns) -> Report:
    """Makes Figure 3: reconstructions and samples for each lambda."""
    held_out = trained.held_out(lambda_run(_FIRST))
    images, compared = held_out.first(NUM_COLUMNS), held_out.first(NUM_COMPARED)
    finished = held_out.first(NUM_FINISHED)
    pictures = [PictureRow("image", images.array)]
    measures = {}
    for weight in LAMBDAS:
        name = lambda_run(weight)
        sampler = trained.sampler(name)
        drawn = sampler.prior(NUM_COLUMNS)
        shown = {
            "VR": sampler.reconstruct(images).f_z,
            "VS": drawn.f_z,
            "PS": drawn.images[0],
        }
        pictures += [
            PictureRow(f"{kind}, lambda {weight}", row) for kind, row in shown.items()
        ]
        measures[weight] = _measures(trained, name, compared, finished)
    rows = [_Row(w, *map(estimate, measured)) for w, measured in measures.items()]
    title = "Figure 3: reconstructions VR, VAE samples VS, PixelCNN++ samples PS"
    return Report(title, rows, figure3_claims(measures), [rows_grid(pictures)])


def _measures(
    trained: TrainedRuns, name: str, compared: Images, finished: Images
) -> PictureMeasures:
    def change_and_detail(sampler: Sampler) -> np.ndarray:
        drawn = sampler.reconstruct(finished)
        sample = drawn.images[0]
        added = roughness(sample) - roughness(drawn.f_z)
        return np.stack([rms_difference(drawn.f_z, sample), added])

    measure = functools.partial(trained.measure_pictures, name)
    both = measure(change_and_detail, finish=True)
    return PictureMeasures(
        measure(lambda sampler: error_of_f_z(sampler, compared)),
        measure(lambda sampler: roughness(sampler.reconstruct(compared).f_z)),
        measure(lambda sampler: roughness(sampler.prior(len(compared.image)).f_z)),
        change=both[:, 0],
        detail=both[:, 1],
    )


def figure3_claims(measures: Mapping[int, PictureMeasures]) -> list[Claim]:
    """Returns the claims of Figure 3.

    Args:
      measures: the measures of each model, by `LAMBDAS`.
    """
    near_perfect = measures[_NEAR_PERFECT]
    return [
        Claim(
            "Reconstructions lose detail with each larger lambda (RMS error of VR, "
            "levels)",
            [
                above(f"lambda {b} - lambda {a}", measures[b].error - measures[a].error)
                for a, b in zip(LAMBDAS, LAMBDAS[1:])
            ],
        ),
        _similarity(*(measures[weight] for weight in (_FIRST, _LAST))),
        Claim(
            f"Lambda {_NEAR_PERFECT}: reconstructions of held-out images are near "
            "perfect (30 dB), and the PixelCNN++ changes them as little (RMS, levels)",
            [
                below("error of VR", near_perfect.error, _SMALL_ERROR),
                below("change by the PixelCNN++", near_perfect.change, _SMALL_ERROR),
            ],
        ),
        _added_detail(measures),
    ]


def _added_detail(measures: Mapping[int, PictureMeasures]) -> Claim:
    usual = measures[_NEAR_PERFECT].detail
    return Claim(
        f"Each lambda above {_NEAR_PERFECT}: the PixelCNN++ adds detail to "
        "reconstructions, and more than there (mean absolute difference of "
        "neighbouring pixels, levels)",
        [
            comparison
            for w in _LARGER
            for comparison in (
                above(f"added with lambda {w}", measures[w].detail),
                above(
                    f"lambda {w} - lambda {_NEAR_PERFECT}", measures[w].detail - usual
                ),
            )
        ],
    )


def _similarity(first: PictureMeasures, last: PictureMeasures) -> Claim:
    """Returns the claim about the gap between samples and reconstructions.

    The claim takes the sign of the gap at the smallest lambda from the paper,
    "unrealistic high-frequency detail in the VAE samples", and not from our numbers. So
    the gap at the largest lambda, whatever its sign, is the smaller one if both the
    difference and the sum of the two gaps are above 0.
    """
    before, after = (
        m.sample_roughness - m.reconstruction_roughness for m in (first, last)
    )
    return Claim(
        f"From lambda {_FIRST} to {_LAST} VAE samples, rougher than reconstructions at "
        "first, become more similar to them (gap VS - VR between their mean absolute "
        "differences of neighbouring pixels, levels)",
        [
            above(f"lambda {_FIRST} - lambda {_LAST}", before - after),
            above(f"lambda {_FIRST} + lambda {_LAST}", before + after),
        ],
    )
