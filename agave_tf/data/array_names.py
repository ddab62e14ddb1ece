"""Tells from the names of arrays which hold the images and labels of which part."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from absl import logging

from agave_tf.data.array_layout import Array, LabelsFromOne, RelaidImages
from agave_tf.data.source import HELD_OUT_NAMES, Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

# Names of arrays in any case of letters; {} stands for the part, such as train.
_IMAGES = ("{}_images", "x_{}", "{}_x", "{}")
_LABELS = ("{}_labels", "{}_label", "y_{}", "{}_y")
_IMAGES_WITHOUT_PARTS = ("images", "x", "data", "arr_0")
_LABELS_WITHOUT_PARTS = ("labels", "label", "y")

Arrays = Mapping[str, Array]


class PartArrays(NamedTuple):
    """The names of the arrays that make one part."""

    image: str
    label: str  # empty: the images have no labels

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all arrays of the part."""
        return (self.image, self.label) if self.label else (self.image,)


def find_part_arrays(
    arrays: Arrays, config: DataConfig, path: str
) -> dict[str, PartArrays]:
    """Finds the arrays of the part "train", and of "test" if the file has one.

    Args:
      arrays: all arrays of the file.
      config: `train_split` and `test_split` name the parts, if set.
      path: of the file, for errors.

    Raises:
      InputError: no array, or more than one, could be meant.
    """
    train = _images_of(config.train_split or "train", arrays, config, path)
    if config.test_split:
        test = _images_of(config.test_split, arrays, config, path)
    else:
        free = {name: array for name, array in arrays.items() if name != train}
        candidates = (_images_of(name, free, config, path) for name in HELD_OUT_NAMES)
        test = next(filter(None, candidates), "")
    _check_settings(train, test, arrays, config, path)
    has_parts = bool(train)
    if not train:
        if test and not config.test_split:
            raise InputError(
                f"`dataset` must have an array `train` beside `{test}`; {path!r} has "
                f"{_listed(arrays)}. --train_split names another."
            )
        train = _images_without_parts(arrays, test, path)
    is_whole = not has_parts or train.lower() in _IMAGES_WITHOUT_PARTS
    parts = {"train": PartArrays(train, _labels_of(train, is_whole, arrays, path))}
    if test:
        parts["test"] = PartArrays(test, _labels_of(test, False, arrays, path))
    return parts


def find_whole(arrays: Arrays, path: str) -> PartArrays:
    """Finds the images of a file that has no parts, and their labels.

    Args:
      arrays: all arrays of the file.
      path: of the file, for errors.

    Raises:
      InputError: no array, or more than one, could be meant.
    """
    image = _images_without_parts(arrays, "", path)
    return PartArrays(image, _labels_of(image, True, arrays, path))


def note_uses(arrays: Arrays, parts: Mapping[str, PartArrays], notes: Notes) -> None:
    """Notes how arrays are read, the images of other parts, and arrays without use."""
    used = {name for part in parts.values() for name in part.names}
    for name in used:
        array = arrays[name]
        if isinstance(array, RelaidImages | LabelsFromOne):
            notes.add(array.said, array.shape[0])
    unused = set(arrays) - used
    for prefix in ("train", *HELD_OUT_NAMES):
        for name in _like_images(
            {n: arrays[n] for n in _named(_IMAGES, prefix, unused)}
        ):
            notes.add(f"images of split {prefix} left out", arrays[name].shape[0])
            unused -= {name, *_named(_LABELS, prefix, unused)}
    if unused:
        names = ", ".join(sorted(unused))
        notes.add(f"arrays left out ({names})", len(unused))


def _images_of(prefix: str, arrays: Arrays, config: DataConfig, path: str) -> str:
    """The array of images of a part; empty if there is none."""
    if prefix in (config.train_split, config.test_split) and prefix in arrays:
        return prefix  # The user may say the whole name.
    return _the_one(_named(_IMAGES, prefix, arrays), arrays, path)


def _images_without_parts(arrays: Arrays, test: str, path: str) -> str:
    """The array of training images where none is named `train`."""
    free = {name: array for name, array in arrays.items() if name != test}
    found = _the_one(_named(_IMAGES_WITHOUT_PARTS, "", free), free, path)
    if found:
        return found
    candidates = _like_images(free)
    if len(candidates) != 1:
        raise InputError(
            f"`dataset` must have an array `images`, or `train` and `test`; {path!r} "
            f"has neither, but {_listed(arrays)}. --train_split names another."
        )
    logging.info("The images of %s are its array %s.", path, candidates[0])
    return candidates[0]


def _check_settings(
    train: str, test: str, arrays: Arrays, config: DataConfig, path: str
) -> None:
    """Checks that the parts the user named exist, and are two."""
    for setting, found in (("train_split", train), ("test_split", test)):
        prefix = getattr(config, setting)
        if prefix and not found:
            raise InputError(
                f"`{setting}` must be the name or prefix of an array of images; got "
                f"{prefix!r}, and {path!r} has {_listed(arrays)}."
            )
    if test and test == train:
        raise InputError(
            "`test_split` must name other images than `train_split`; both name "
            f"`{test}` of {path!r}."
        )


def _labels_of(image: str, is_whole: bool, arrays: Arrays, path: str) -> str:
    """The labels of an array of images; empty if there are none.

    Args:
      image: name of the array of images.
      is_whole: the images are not those of a part, so `labels` are theirs.
      arrays: all arrays of the file.
      path: of the file, for errors.
    """
    found = set(_named(_LABELS_WITHOUT_PARTS, "", arrays)) if is_whole else set()
    for form in _IMAGES:
        before, after = form.split("{}")
        if image.lower().startswith(before) and image.lower().endswith(after):
            part = image[len(before) : len(image) - len(after)]
            found |= set(_named(_LABELS, part, arrays))
    if len(found) > 1:
        raise InputError(
            f"`dataset` must have one array of labels for `{image}`; {path!r} has "
            f"{' and '.join(sorted(found))}."
        )
    return next(iter(found), "")


def _the_one(found: list[str], arrays: Arrays, path: str) -> str:
    """The array among those found that could be images; empty if none was found."""
    candidates = _like_images({name: arrays[name] for name in found}) or found
    if len(candidates) > 1:
        raise InputError(
            f"`dataset` must have one array of images for each part; {path!r} has "
            f"{' and '.join(candidates)}. --train_split and --test_split name the ones "
            "to use."
        )
    return candidates[0] if candidates else ""


def _named(forms: Collection[str], part: str, names: Collection[str]) -> list[str]:
    """The names that have one of the forms, in any case of letters."""
    wanted = {form.format(part).lower() for form in forms}
    return sorted(name for name in names if name.lower() in wanted)


def _like_images(arrays: Arrays) -> list[str]:
    """The arrays of the rank of images, and not of Python objects."""
    return [
        name
        for name, array in arrays.items()
        if len(array.shape) in (3, 4) and not array.dtype.hasobject
    ]


def _listed(arrays: Arrays) -> str:
    """The names and shapes of the first arrays, for errors."""
    shown = [f"{name} {list(array.shape)}" for name, array in arrays.items()][:8]
    more = ["..."] if len(arrays) > len(shown) else []
    return ", ".join([*shown, *more]) or "no arrays"
