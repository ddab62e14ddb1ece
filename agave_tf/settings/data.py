"""Settings of the images that a run is trained and evaluated on."""

import dataclasses
from typing import Any, ClassVar

from agave_tf.settings.data_kinds import HELP, WRITTEN, expand_dataset
from agave_tf.settings.image_size import checked_image_size, parse_image_size
from agave_tf.settings.setting import (
    Constraint,
    Settings,
    between,
    one_of,
    require,
    setting,
)
from agave_tf.settings.user_path import expand_path

# Settings that came after version 0.2.
_LATER = ("crop",)


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """The data set, and how its images are brought to the size of a run."""

    title: ClassVar[str] = "Images"

    dataset: str = setting(
        "dead_leaves",
        "Images to use: cifar10 or another data set of TensorFlow Datasets (TFDS), "
        f"{', '.join(WRITTEN[:-1])}, or {WRITTEN[-1]}. {HELP}. "
        "docs/data.md says how each is read. A run may be resumed with another path to "
        "the same images.",
        Constraint("be a data set's name", bool),
        may_change=True,  # runs/run_data.py compares the images themselves.
        main=True,
        expand=expand_dataset,
    )
    train_split: str = setting(
        "",
        "Part of the data set to train on: a split of TFDS, such as train+extra or "
        "train[:90%]; a subdirectory of a folder; the prefix of arrays in an .npz. "
        "Empty: train.",
    )
    test_split: str = setting(
        "",
        "Part of the data set to hold out, named like train_split. Empty: test, else "
        "val, valid or validation; where there is none of these, a tenth of the "
        "images, the same for every --seed.",
    )
    data_dir: str = setting(
        "",
        "Directory in which TFDS keeps its data sets; empty: the default of TFDS.",
        may_change=True,
        main=True,
        expand=expand_path,
    )
    cache_dir: str = setting(
        "",
        "Directory in which to keep the images once they are decoded and resized, so "
        "that a later start need not do it again, and training needs memory for "
        "batches alone. Empty: sets of more than 1 GiB are kept in agave_tf below "
        "$XDG_CACHE_HOME or ~/.cache, smaller ones in memory.",
        may_change=True,
        expand=expand_path,
    )
    image_size: str = setting(
        "",
        "Crop images and resize them to this size, as --crop says: 32, or "
        "HEIGHTxWIDTH such as 24x32. Empty: keep their sizes (dead_leaves: 32), which "
        "must be one for training.",
        main=True,
        expand=checked_image_size,
    )
    crop: str = setting(
        "resize",
        "The part of an image that --image_size takes. resize: the largest part around "
        "the centre with these proportions, resized by area average; centre: these "
        "pixels around the centre, at the image's own resolution; random: such pixels "
        "at a random place, another at every step, of training images, and around the "
        "centre of held-out ones. Images that are smaller are first enlarged.",
        one_of("resize", "centre", "random"),
    )
    image_channels: int = setting(
        0,
        "Channels of the images. 1: gray, to which RGB images are converted (BT.601 "
        "luma); 3: RGB, to which gray images are converted; 0: as in the data set.",
        one_of(0, 1, 3),
    )
    white_level: int = setting(
        65535,
        "Value of 16-bit images that becomes level 255; larger values become 255 too. "
        "4095 suits 12 bits of data in 16-bit files.",
        between(255, 65535),
    )
    corrupt_images: str = setting(
        "refuse",
        "Treatment of files in a folder that cannot be read. refuse: stop with an "
        "error; skip: leave them out.",
        one_of("refuse", "skip"),
    )

    def __post_init__(self) -> None:
        """Converts an `image_size` of 32 or (24, 32) to text; checks all settings."""
        size = self.image_size
        if isinstance(size, int) and not isinstance(size, bool):
            object.__setattr__(self, "image_size", str(size))
        elif isinstance(size, tuple | list) and len(size) == 2:
            height, width = size
            text = f"{height}" if height == width else f"{height}x{width}"
            object.__setattr__(self, "image_size", text)
        super().__post_init__()

    def check_together(self) -> None:
        """Raises InputError if `image_size` is missing for a `crop`."""
        require(
            self.crop == "resize" or bool(self.image_size),
            "image_size",
            f"set for --crop={self.crop}",
            self.image_size,
        )

    @property
    def random_crop(self) -> tuple[int, int] | None:
        """(height, width) of random crops of training images; None: there are none."""
        return parse_image_size(self.image_size) if self.crop == "random" else None


def for_evaluation(config: DataConfig) -> DataConfig:
    """Returns the settings with which images are scored: random crops become centre."""
    if config.crop != "random":
        return config
    return dataclasses.replace(config, crop="centre")


def settings_to_compare(config: DataConfig) -> dict[str, Any]:
    """Returns every setting by name, to tell images from others.

    Settings that came after version 0.2 are left out where they have their default, so
    that caches and scores of older runs are found again.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name not in _LATER or value != defaults[name]
    }
