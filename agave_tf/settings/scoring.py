"""Settings of a search for outliers; each field is a flag of agave-score."""

import dataclasses
from typing import ClassVar

from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.setting import SEED, Settings, at_least, one_of, setting

# The scores of which high values mean outliers.
RANKED = ("bits_per_dim", "ratio", "kl")


@dataclasses.dataclass(frozen=True)
class ScoringSettings(Settings):
    """The images to score, the score to rank by, and the images to compare with."""

    title: ClassVar[str] = "Scores"

    split: str = setting(
        "test",
        "Images of the data set to score, if there are no --files. test: held-out "
        "images; train: training images; all: both.",
        one_of("test", "train", "all"),
        main=True,
    )
    max_images: int = setting(
        0,
        "Images of the data set to score, a random choice as of bin/evaluate.py; 0: "
        "all.",
        at_least(0),
        main=True,
    )
    rank_by: str = setting(
        "ratio",
        "Score that tells the strangest images, those with the highest values. "
        "bits_per_dim: unlikely, or merely complex; ratio: bits_per_dim relative to "
        "those of lossless WebP, so that complexity counts less (a header of some 30 "
        "bytes counts against small images); kl: the bits of the latent variables.",
        one_of(*RANKED),
        main=True,
    )
    reference_images: int = setting(
        1000,
        "Held-out images of the run that the percentiles are relative to, a random "
        "choice. 0: none, and no percentiles.",
        at_least(0),
        main=True,
    )
    num_importance_samples: int = setting(
        1,
        "Samples of z for each image. Scores are means over them; more than one also "
        "give the importance-weighted bound.",
        at_least(1),
        main=True,
    )
    evaluation_batch_size: int = setting(
        50,
        "Images computed at a time; affects memory and speed, not the scores.",
        at_least(1),
        main=True,
    )
    tile_size: str = setting(
        "",
        "Score larger images in tiles of this size, such as 64 or 64x96, each as if it "
        "were alone: memory of a tile, and some more bits. Empty: whole images.",
        main=True,
    )
    evaluation_seed: int = setting(0, "Seed of the samples of z.", SEED)

    def check_together(self) -> None:
        """Raises InputError if `tile_size` is no size."""
        parse_image_size(self.tile_size, "tile_size")
