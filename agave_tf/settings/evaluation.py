"""Settings of an evaluation; each field is a flag of agave-evaluate."""

import dataclasses
from typing import ClassVar

from agave_tf.errors import InputError
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.setting import SEED, Settings, at_least, one_of, setting


@dataclasses.dataclass(frozen=True)
class EvaluationSettings(Settings):
    """The images to score, the samples in the bound, and the linear probe."""

    title: ClassVar[str] = "Scores"

    split: str = setting(
        "test",
        "Images to evaluate on. test: held-out images; train: training images; all: "
        "both, for a data set that the run was not trained on.",
        one_of("test", "train", "all"),
        main=True,
    )
    num_importance_samples: int = setting(
        16,
        "Samples of z for each image in the importance-weighted bound. More samples "
        "make the bound tighter, and take longer. The paper uses 150.",
        at_least(1),
        main=True,
    )
    max_images: int = setting(
        0,
        "Images to evaluate on, drawn from the split at random by a fixed rule, so "
        "that every model gets the same images. 0: the whole split.",
        at_least(0),
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
    )
    evaluation_seed: int = setting(0, "Seed of the samples of z.", SEED)
    probe: bool = setting(
        False,
        "Also train a linear classifier on the latent variables, to show what they "
        "know of an image's class. The images must have labels.",
        main=True,
    )
    probe_images: int = setting(
        10_000, "Training images of the linear classifier of --probe.", at_least(1)
    )

    def check_together(self) -> None:
        """Raises InputError for no size, or a probe scored on its training images."""
        parse_image_size(self.tile_size, "tile_size")
        if self.probe and self.split != "test":
            raise InputError(
                "`probe` must go with --split=test, because it is trained on training "
                f"images; got --probe with --split={self.split}."
            )
