"""Images with their labels, in memory or mapped from a file, and their record."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from absl import logging

from agave_tf.data.crops import CentreCrops, random_corners, windows
from agave_tf.data.joined_images import JoinedImages
from agave_tf.data.labels import joined_labels, label_rows
from agave_tf.data.mixed_images import ImageArray, MixedImages, sizes_of
from agave_tf.data.source import ALL, parts_named
from agave_tf.errors import InputError
from agave_tf.randomness import choice_generator
from agave_tf.settings.data import DataConfig
from agave_tf.settings.image_size import check_image_sides

# Larger sets are not copied in memory.
_MOST_COPIED = 2**30


class Images(NamedTuple):
    """N images with their labels.

    `image` may be mapped from a file of the cache: an index reads what it takes. It is
    an array if all images have one size, and else `MixedImages`. `CentreCrops` are like
    an array, and the `JoinedImages` of large parts like either.
    """

    image: ImageArray | CentreCrops | JoinedImages  # uint8 [N,H,W,C]
    label: np.ndarray | None  # int32 [N], None where the data set has none

    @property
    def shape(self) -> tuple[int, int, int] | tuple[None, None, int]:
        """(H,W,C) of every image; (None,None,C) of images of several sizes."""
        _, height, width, channels = self.image.shape
        return height, width, channels

    @property
    def sizes(self) -> np.ndarray:
        """The height and width of each image, int32 [N,2]."""
        return sizes_of(self.image)

    @property
    def array(self) -> np.ndarray:
        """The images as an array [N,H,W,C]; mapped as they are, or cut out.

        Raises:
          InputError: they are of several sizes.
        """
        self.check_one_size()
        return np.asarray(self.image)

    def check_one_size(self) -> None:
        """Raises InputError if the images are of several sizes."""
        if self.shape[0] is None:
            raise InputError(
                f"Images must be of one size here; got {describe_sizes(self.sizes)}. "
                "--image_size crops and resizes."
            )

    def first(self, count: int, multiple_of: int = 1) -> "Images":
        """The first `count` images, or as many as there are; as `some`."""
        return self.some(0, count, multiple_of)

    def some(self, first: int, count: int, multiple_of: int = 1) -> "Images":
        """`count` images from number `first` on.

        If there are fewer, it takes those and logs a warning.

        Args:
          first: number of the first image.
          count: how many.
          multiple_of: takes a multiple of this number of images, such as whole pairs.

        Raises:
          InputError: there is none, or fewer than `multiple_of`.
        """
        total = len(self.image)
        if first >= total:
            raise InputError(
                f"`first_image` must be below the number of images, {total}; got "
                f"{first}."
            )
        left = total - first
        if left < min(count, multiple_of):
            raise InputError(
                f"`first_image` must leave at least {multiple_of} images; from number "
                f"{first} on there is {left} of {total}."
            )
        taken = min(count, left)
        taken -= taken % multiple_of
        if taken < count:
            logging.warning(
                "Only %d of the %d images that were asked for: from number %d on there "
                "are %d.",
                taken,
                count,
                first,
                left,
            )
        return self.take(np.arange(first, first + taken))

    def take(self, index: np.ndarray) -> "Images":
        """The images at these places, int [M], in their order."""
        image = self.image[index]
        if isinstance(image, MixedImages):
            image = image.simplest()
        return Images(image, label_rows(self.label, index))

    def centre_crops(self, size: tuple[int, int] | None) -> "Images":
        """The centres of these images, (height, width); None: the whole images."""
        if size is None or isinstance(self.image, CentreCrops):
            return self
        return self._replace(image=CentreCrops(self.image, size))

    def random_crops(
        self, index: np.ndarray, size: tuple[int, int], uniform: np.ndarray
    ) -> np.ndarray:
        """Cuts a window at a random place out of each of n images, uint8 [n,h,w,C].

        Args:
          index: int [n], the places of the images.
          size: (h,w) of the windows.
          uniform: draws [n,2] from [0,1), float64.
        """
        corners = random_corners(self.sizes[index], size, uniform)
        return windows(self.image, index, corners, size)

    def labels_or(self, label: int) -> np.ndarray:
        """The labels, int32 [N]; those of images without labels are `label`."""
        if self.label is None:
            return np.full(len(self.image), label, np.int32)
        return self.label

    def choose(self, count: int) -> np.ndarray:
        """Places of `count` images that stand for the whole set, int32, increasing.

        The choice is random, because a set may be sorted by class, and the same at
        every call. A smaller choice is part of a larger one.

        Args:
          count: how many; 0, or more than there are: all.
        """
        total = len(self.image)
        if not 0 < count < total:
            return np.arange(total, dtype=np.int32)
        order = choice_generator().permutation(total)
        return np.sort(order[:count]).astype(np.int32)

    def check_labels(self, num_classes: int, name: str = "the data set") -> None:
        """Checks that every image has a label that a class-conditional model knows.

        Args:
          num_classes: of the model, whose labels are 0..num_classes-1; 0 for a model
            that takes no labels, which any images suit.
          name: what to call the images in errors.

        Raises:
          InputError: there are no labels, or one is no whole number or out of range.
        """
        if not num_classes:
            return
        if self.label is None:
            raise InputError(
                f"The model's `num_classes` must be 0 where {name} has no labels; it "
                f"is {num_classes}."
            )
        if self.label.dtype.kind not in "iu":
            raise InputError(
                f"The labels of {name} must be whole numbers; got {self.label.dtype}."
            )
        if self.label.min() < 0 or self.label.max() >= num_classes:
            raise InputError(
                f"The model's `num_classes` must exceed every label of {name}, "
                f"{self.label.min()}..{self.label.max()}, and no label be negative; it "
                f"is {num_classes}."
            )


class DataRecord(NamedTuple):
    """Tells the images of a run from others; a run keeps it in config.json."""

    fingerprint: str  # equal for the same images, wherever they lie
    num_train: int
    num_test: int
    held_out: str  # says which images are held out
    # The fingerprint in version 0.2. Of images from Python, in it their order counts,
    # and labels do not. Empty: a run of version 0.2, whose own it is.
    version_0_2: str = ""

    def __str__(self) -> str:
        return (
            f"{self.num_train} training and {self.num_test} held-out images with "
            f"fingerprint {self.fingerprint}"
        )


class Data(NamedTuple):
    """The images of a data set."""

    config: DataConfig  # the settings that name and prepare them
    parts: Mapping[str, Images]  # "train" and "test", as far as they were asked for
    record: DataRecord
    # The least and the largest label of all parts, also of those not asked for.
    label_range: tuple[int, int] | None = None

    def check_labels(self, num_classes: int) -> None:
        """Checks that a class-conditional model knows the labels of all parts.

        The labels of a few images may be known by chance, of classes that mean another
        thing to the model.

        Args:
          num_classes: of the model; 0: it takes no labels.

        Raises:
          InputError: a label of any part is too large.
        """
        if num_classes and self.label_range and self.label_range[1] >= num_classes:
            low, high = self.label_range
            hint = " Labels that count from 1 must be lowered by 1." if low == 1 else ""
            raise InputError(
                f"`dataset` must have labels of the model's {num_classes} classes, 0.."
                f"{num_classes - 1}; {self.config.dataset} has {low}..{high}.{hint}"
            )

    @property
    def train(self) -> Images:
        """The images to train on; whole, if they are to be cut at random."""
        return self.parts["train"]

    @property
    def test(self) -> Images:
        """The images that are held out."""
        return self.parts["test"]

    def part(self, name: str) -> Images:
        """Images as they are scored and shown: of those cut at random, the centres.

        Args:
          name: "train", "test", or "all": the training images, then the held-out ones.
            The parts must have been asked for.
        """
        if name != ALL:
            return self.parts[name].centre_crops(self.config.random_crop)
        parts = [self.part(part) for part in parts_named(ALL)]
        joined = JoinedImages([part.image for part in parts])
        is_small = joined.nbytes <= _MOST_COPIED
        label = joined_labels([part.label for part in parts])
        return Images(joined[:] if is_small else joined, label)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h,w,C) of the images that training sees.

        Raises:
          InputError: they are of several sizes, or the networks take no such size.
        """
        size = self.config.random_crop
        shapes = {part.centre_crops(size).shape for part in self.parts.values()}
        shape = shapes.pop()
        if shapes or shape[0] is None:
            sizes = np.concatenate([part.sizes for part in self.parts.values()])
            raise InputError(
                "`dataset` must have images of one size to train on; got "
                f"{describe_sizes(sizes)}. --image_size resizes them, or cuts them "
                "with --crop=random."
            )
        height, width, channels = shape
        check_image_sides(height, width, name="dataset")
        return height, width, channels


def describe_sizes(sizes: np.ndarray) -> str:
    """Returns "8x12" for images of one size, else "heights 5 to 8, width 12".

    Args:
      sizes: int [N,2], their heights and widths.
    """
    (low_height, low_width), (height, width) = sizes.min(axis=0), sizes.max(axis=0)
    if (low_height, low_width) == (height, width):
        return f"{height}x{width}"
    sides = (("height", low_height, height), ("width", low_width, width))
    return ", ".join(
        f"{name} {most}" if least == most else f"{name}s {least} to {most}"
        for name, least, most in sides
    )
