"""Settings of the images that a run is trained and evaluated on."""

import dataclasses

from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.setting import Constraint, Settings, one_of, setting


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """The data set, and how its images are brought to one shape."""

    dataset: str = setting(
        "dead_leaves",
        "Images to use: the name of a data set of TensorFlow Datasets (TFDS), such as "
        "cifar10, svhn_cropped, mnist or downsampled_imagenet/32x32; folder:PATH, a "
        "directory of PNG and JPEG files; npz:PATH, a file with the uint8 array "
        "`images`, or `train` and `test`, of shape [N,H,W,C]; dead_leaves, pictures "
        "that the program draws itself, which need no download.",
        Constraint("be a data set's name", bool),
    )
    data_dir: str = setting(
        "",
        "Directory in which TFDS keeps its data sets; empty: the default of TFDS.",
        may_change=True,
    )
    image_size: str = setting(
        "",
        "Crop images around their centre and resize them to this size: 32, or "
        "HEIGHTxWIDTH such as 24x32. Both sides must be multiples of 4. Empty: keep "
        "their size (dead_leaves: 32).",
    )
    image_channels: int = setting(
        0,
        "Channels of the images. 1: gray, to which RGB images are converted (BT.601 "
        "luma); 3: RGB, other images are refused; 0: as in the data set.",
        one_of(0, 1, 3),
    )
    corrupt_images: str = setting(
        "refuse",
        "Treatment of files in a folder that cannot be read. refuse: stop with an "
        "error; skip: leave them out.",
        one_of("refuse", "skip"),
    )

    def check_together(self) -> None:
        """Raises InputError if `image_size` is not a size."""
        parse_image_size(self.image_size)
