"""Scores that tell outliers: bits/dim, their ratio to a general coder's, and the KL.

Nalisnick et al. 2019, "Do Deep Generative Models Know What They Don't Know?": simple
images of another kind get a higher likelihood than those a model was trained on.

Serra et al. 2020, "Input complexity and out-of-distribution detection with
likelihood-based generative models", relate the likelihood to the size of the file that
a general coder makes of the image. They take the difference; here it is the ratio.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.evaluation.auroc import share_below
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.image_scores import bits_of_images
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.scoring import RANKED, ScoringSettings

# The longest side of a WebP file: its header has 14 bits for each.
LONGEST_SIDE = 2**14 - 1


class OutlierScores(NamedTuple):
    """The scores of N images."""

    name: list[str]  # of the files, or the places in the data set
    # int32 [N] the image's place in the data set. It hides tuple.index, unused here.
    index: np.ndarray  # type: ignore[assignment]
    size: np.ndarray  # int32 [N,2], height and width
    # float64 [N] by name: bits_per_dim and its parts, as `bits_of_images` names them,
    # coder_bits_per_dim, ratio, and percentiles if they are known.
    values: dict[str, np.ndarray]

    def with_percentiles(self, reference: "OutlierScores") -> "OutlierScores":
        """Adds where the images stand among others, as NAME_percentile.

        It is the percentage of the others with a smaller value, ties half, from 0 to
        100, for each score that images can be ranked by.

        Args:
          reference: the scores of the others, by the same model.
        """
        found = {
            percentile_of(name): 100
            * share_below(self.values[name], reference.values[name])
            for name in RANKED
            if name in self.values
        }
        return self._replace(values=self.values | found)

    def strangest(self, rank_by: str, count: int) -> np.ndarray:
        """The rows of the `count` highest values of a score, the highest first."""
        return np.argsort(-self.values[rank_by], kind="stable")[:count]


def percentile_of(name: str) -> str:
    """The name of the percentiles of a score."""
    return f"{name}_percentile"


def outlier_scores(
    evaluator: Evaluator,
    images: Images,
    settings: ScoringSettings,
    max_images: int,
    progress: str = "",
    names: Sequence[str] = (),
) -> OutlierScores:
    """Scores images.

    Args:
      evaluator: has the model.
      images: the data set, of any sizes.
      settings: how the images are scored.
      max_images: number of images to score, chosen by `Images.choose`; 0: all.
      progress: caption of a progress bar; empty: none.
      names: of all images; empty: their places in the data set.

    Raises:
      InputError: as `Evaluator.scores`, or an image is too large for the coder.
    """
    check_coder_takes(images)
    num_samples = settings.num_importance_samples
    scores = evaluator.scores(
        images,
        num_samples,
        settings.evaluation_seed,
        max_images,
        progress,
        parse_image_size(settings.tile_size, "tile_size"),
    )
    values = bits_of_images(scores, evaluator.model, num_samples)
    coded = np.array([coder_bits_per_dim(images.image[i]) for i in scores.index])
    values |= {"coder_bits_per_dim": coded, "ratio": values["bits_per_dim"] / coded}
    shown = [names[i] if names else str(i) for i in scores.index]
    return OutlierScores(shown, scores.index, scores.size, values)


def coder_bits_per_dim(image: np.ndarray) -> float:
    """The bits/dim of an image uint8 [H,W,C] as a lossless WebP file by Pillow.

    All of the file counts. Its header of some 30 bytes is 0.08 bits/dim of a 32x32
    image in RGB. Gray is coded as RGB whose channels are equal, which WebP knows.
    """
    file = io.BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(file, "WEBP", lossless=True, method=6)
    return 8 * file.tell() / image.size


def check_coder_takes(images: Images) -> None:
    """Raises InputError if a side of an image is longer than WebP takes."""
    height, width = images.sizes.max(axis=0)
    if max(height, width) > LONGEST_SIDE:
        raise InputError(
            f"Images must have sides of at most {LONGEST_SIDE} pixels, to be coded as "
            f"WebP; got {height}x{width}."
        )
