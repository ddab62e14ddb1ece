"""Settings of pictures drawn from a model; each field is a flag of agave-sample."""

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar

from agave_tf.errors import InputError
from agave_tf.settings.setting import (
    SEED,
    Constraint,
    Settings,
    at_least,
    between,
    one_of,
    require,
    setting,
)
from agave_tf.settings.user_path import expand_path

# The kinds of pictures, and their help.
MODES = {
    "prior": "f(z) for z drawn from the prior, and images finished from it",
    "reconstruct": "images, f(z) for z drawn from their posterior, and images finished "
    "from it",
    "interpolate": "steps from one image to another, along a line in the space of z",
    "condition": "as prior, with ten images finished from each f(z)",
    "complete": "images of which a part is kept and the rest is drawn",
}


# Settings that only one mode reads.
_READ_BY = {
    "num_steps": "interpolate",
    "keep_top": "complete",
    "mask": "complete",
    "z_from": "complete",
}


@dataclasses.dataclass(frozen=True)
class PictureSettings(Settings):
    """The kind of picture, the images it starts from, and how pixels are drawn."""

    title: ClassVar[str] = "Pictures"

    mode: str = setting(
        "prior",
        "Kind of picture. "
        + "; ".join(f"{name}: {text}" for name, text in MODES.items())
        + ".",
        one_of(*MODES),
        main=True,
    )
    num_images: int = setting(
        16,
        "Columns of the picture. With --mode=interpolate: images, two for each pair.",
        at_least(1),
        main=True,
    )
    num_samples: int = setting(
        0,
        "Finished images in each column. 0: 1, or 10 with --mode=condition.",
        at_least(0),
        main=True,
    )
    label: str = setting(
        "",
        "For a class-conditional run: the class to draw, such as 3, or several that "
        "are repeated over the columns in turn, such as 0,3,3. Empty: the classes of "
        "the images of --split, from --first_image on.",
        Constraint(
            "be empty, a class number or several with commas between",
            lambda value: bool(re.fullmatch(r"|\d{1,9}( *, *\d{1,9})*", value)),
        ),
    )
    num_steps: int = setting(
        8,
        "With --mode=interpolate: images from one end to the other, both included.",
        at_least(2),
    )
    split: str = setting(
        "test",
        "Images to start from. test: held-out images; train: training images.",
        one_of("test", "train"),
        main=True,
    )
    first_image: int = setting(
        0,
        "Index in the split of the first image to use.",
        at_least(0),
        main=True,
    )
    keep_top: float = setting(
        0.5,
        "With --mode=complete: the share of an image's rows, from the top, to keep.",
        between(0, 1),
    )
    mask: str = setting(
        "",
        "With --mode=complete, instead of --keep_top: a PNG of the images' size that "
        "is white at the pixels to keep.",
        expand=expand_path,
    )
    z_from: str = setting(
        "image",
        "With --mode=complete: where z is drawn. image: from the posterior of the kept "
        "part of the image; prior: from the prior.",
        one_of("image", "prior"),
    )
    # Above 10 pictures would be noise.
    z_temperature: float = setting(
        1.0,
        "Factor of the noise in z. 1: as in the model; 0: no noise.",
        between(0, 10),
    )
    pixel_temperature: float = setting(
        1.0,
        "Temperature of the distributions that pixels are drawn from. 1: as in the "
        "model; below 1: likelier pixels; 0: the likeliest.",
        between(0, 10),
    )
    seed: int = setting(
        0,
        "Seed of all random numbers. The same seed gives the same pictures.",
        SEED,
        main=True,
    )
    exact: bool = setting(
        False,
        "Compute in numbers that are the same on every machine. The same seed then "
        "gives the same pictures to the last bit, whatever the processor, its threads "
        "or the version of TensorFlow, and other pictures than without --exact. For "
        "--mode=prior, condition, and complete with --z_from=prior.",
    )
    sampling_batch_size: int = setting(
        16,
        "Images drawn at a time; affects memory and speed, not the pictures.",
        at_least(1),
        main=True,
    )

    @property
    def shows_images(self) -> bool:
        """True if the mode starts from images of the data set."""
        return self.mode not in ("prior", "condition")

    @property
    def samples_each(self) -> int:
        """Finished images in each column."""
        return self.num_samples or (10 if self.mode == "condition" else 1)

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The classes of `label`; None where it is empty."""
        return tuple(map(int, self.label.split(","))) if self.label else None

    def check_together(self) -> None:
        """Checks that an interpolation has whole pairs, and what goes with exact."""
        if self.mode == "interpolate" and self.num_images % 2:
            raise InputError(
                "`num_images` must be even to interpolate between pairs of images; "
                f"got {self.num_images}."
            )
        if self.exact:
            require(
                self.mode not in ("reconstruct", "interpolate"),
                "mode",
                "prior, condition or complete with --exact",
                self.mode,
            )
            for name in ("z_temperature", "pixel_temperature"):
                value = getattr(self, name)
                require(value == 1.0, name, "1 with --exact", value)

    def reads_images(self, num_classes: int) -> bool:
        """Returns True if drawing needs images, or their labels."""
        return self.shows_images or (num_classes > 0 and not self.label)

    def without_effect(self, networks: Sequence[str], num_classes: int) -> list[str]:
        """Returns the names of settings that were changed, but affect no picture.

        Args:
          networks: those of the model, "vae", "pixel_cnn" or both.
          num_classes: the model's number of classes.
        """
        unread = {name for name, mode in _READ_BY.items() if mode != self.mode}
        if not self.reads_images(num_classes):
            unread |= {"split", "first_image"}
        if self.mask:
            unread.add("keep_top")
        if "vae" not in networks:
            unread |= {"z_from", "z_temperature"}
        if "pixel_cnn" not in networks:
            unread |= {"num_samples", "pixel_temperature"}
        return [
            field.name
            for field in dataclasses.fields(self)
            if field.name in unread and getattr(self, field.name) != field.default
        ]
