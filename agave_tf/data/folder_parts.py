"""Finds which pictures of a folder to train on, and which to hold out."""

import os
import re
from collections.abc import Collection

import numpy as np

from agave_tf.data.folder_tree import (
    PictureFiles,
    by_first_directory,
    list_pictures,
)
from agave_tf.data.hold_out import is_held_out
from agave_tf.data.source import HELD_OUT_NAMES, Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

PartFiles = dict[str, PictureFiles]

_TRAIN_NAMES = ("train", "training")
_HELD_OUT_NAMES = (*HELD_OUT_NAMES, "testing")
# Names such as train2017, trainA, test_images, but not trains, testament, valley.
_LIKE_TRAIN = re.compile(r"train(ing)?(?![a-z]).*|trainset", re.DOTALL)
_LIKE_HELD_OUT = re.compile(
    r"(test(ing)?|val|valid(ation)?|eval(uation)?|dev|hold_?out)(?![a-z]).*|testset",
    re.DOTALL,
)


def find_part_files(
    root: str, config: DataConfig, notes: Notes
) -> tuple[PartFiles, str]:
    """Lists the files of both parts, and says how the test part was held out.

    The parts are the splits, subdirectories of `root`, if there are some; otherwise a
    tenth is held out by a hash of the names.

    Args:
      root: a directory.
      config: the settings `train_split`, `test_split` and `corrupt_images`.
      notes: what is left out is counted there.

    Raises:
      InputError: no pictures, no such split, or it is unclear what to train on.
    """
    files = list_pictures(root, config, notes)
    if not files:
        raise InputError(none_in(root, notes))
    groups = by_first_directory(files)
    directories = sorted(groups.keys() - {""})
    if config.train_split or config.test_split:
        train, test = _chosen_splits(root, directories, config)
    else:
        train, test = _usual_splits(root, groups, directories)
    if not train:
        _check_no_parts(root, groups)
        return _by_name(files)
    _note_others(groups, train, test, notes)
    if not test:
        return _by_name(groups[train])
    return {"train": groups[train], "test": groups[test]}, f"the split {test}/"


def _by_name(files: PictureFiles) -> tuple[PartFiles, str]:
    held_out = is_held_out(list(map(os.fsencode, files.names)))
    return divided(files, held_out), "a tenth, by name"


def divided(files: PictureFiles, held_out: np.ndarray) -> PartFiles:
    """Divides files into parts; `held_out` is bool [N]."""
    return {
        "train": files.take(np.flatnonzero(~held_out).tolist()),
        "test": files.take(np.flatnonzero(held_out).tolist()),
    }


def _check_no_parts(root: str, groups: PartFiles) -> None:
    """Asks where the only directories look like parts, though they are not named so.

    Their pictures would be mixed, and those of a test set trained on.

    Args:
      root: the folder.
      groups: its files, by their first directory.

    Raises:
      InputError: they look like parts, or are those of a folder within the folder.
    """
    names = sorted(groups)
    like_train = [name for name in names if _is_like(_LIKE_TRAIN, name)]
    like_test = [name for name in names if _is_like(_LIKE_HELD_OUT, name)]
    if like_train and like_test and len(like_train + like_test) == len(names):
        raise InputError(
            "`train_split` must name the subdirectory to train on where several look "
            f"like parts; {root} has {', '.join(names)}; got nothing. Set "
            f"--train_split={like_train[0]} --test_split={like_test[0]}, or, if they "
            "are classes, move them into a directory train."
        )
    if len(names) == 1 and names[0]:
        within = by_first_directory(groups[names[0]])
        inner = {name.lower() for name in within}
        if inner & {*_TRAIN_NAMES} and inner & {*_HELD_OUT_NAMES}:
            raise InputError(
                "`dataset` must be the folder that the parts lie in; "
                f"{os.path.join(root, names[0])} has {', '.join(sorted(within))}, and "
                f"{root} has {names[0]} alone; got folder:{root}."
            )


def _is_like(pattern: re.Pattern[str], name: str) -> bool:
    # Capitals begin a word, as in trainA, except where all letters are capitals.
    return bool(pattern.fullmatch(name[:1].lower() + name[1:])) or bool(
        name.isupper() and pattern.fullmatch(name.lower())
    )


def _usual_splits(
    root: str, groups: PartFiles, directories: Collection[str]
) -> tuple[str, str]:
    """Names the directories of the splits train and test; "" where there is none."""
    train = _first_of(_TRAIN_NAMES, directories, root, "train_split")
    test = _first_held_out(directories)
    count = sum(map(len, groups.values()))
    if test and not train and len(groups[test]) < count:
        raise InputError(
            "`train_split` must name the subdirectory to train on where there is no "
            f"train/, because {os.path.join(root, test)} looks held out; got nothing. "
            "Set --train_split, or move the other pictures into train/."
        )
    if train and (test or len(groups[train]) == count):
        return train, test
    return "", ""


def _chosen_splits(
    root: str, directories: Collection[str], config: DataConfig
) -> tuple[str, str]:
    """Names the directories of the splits that the settings choose."""
    names = {}
    for setting in ("train_split", "test_split"):
        wanted = getattr(config, setting).rstrip("/")
        wanted_names = (wanted,) if wanted else _TRAIN_NAMES
        name = _first_of(wanted_names, directories, root, setting)
        if not name and (wanted or setting == "train_split"):
            raise InputError(
                f"`{setting}` must be a subdirectory with picture files; {root} has "
                f"{', '.join(directories) or 'none'}; got "
                f"{wanted or 'nothing, and there is no train/'}."
            )
        names[setting] = name if wanted or setting == "train_split" else ""
    train, test = names["train_split"], names["test_split"]
    if train == test:
        raise InputError(
            f"`test_split` must be another subdirectory than `train_split`; got {test} "
            "for both."
        )
    return train, test or _first_held_out([d for d in directories if d != train])


def _first_of(
    wanted: Collection[str], directories: Collection[str], root: str, setting: str
) -> str:
    """The directory of the first of these names that there is, or ""."""
    found = (_directory_named(name, directories, root, setting) for name in wanted)
    return next(filter(None, found), "")


def _directory_named(
    wanted: str, directories: Collection[str], root: str, setting: str
) -> str:
    """The directory of that name, else the one of that name in other letters, or ""."""
    if wanted in directories:
        return wanted
    alike = [name for name in directories if name.lower() == wanted.lower()]
    if len(alike) > 1:
        raise InputError(
            f"`{setting}` must name one subdirectory of {root}; got {wanted}, which is "
            f"any of {', '.join(alike)}."
        )
    return alike[0] if alike else ""


def _first_held_out(directories: Collection[str]) -> str:
    for wanted in _HELD_OUT_NAMES:
        for name in directories:
            if name.lower() == wanted:
                return name
    return ""


def _note_others(groups: PartFiles, train: str, test: str, notes: Notes) -> None:
    """Counts the pictures that are in neither part."""
    used = f"{train}/ and {test}/" if test else f"{train}/"
    for name, files in groups.items():
        if name.lower() in _HELD_OUT_NAMES and name not in (train, test):
            notes.add(f"pictures of split {name}/ left out", len(files))
        elif name not in (train, test):
            notes.add(f"pictures outside {used} left out", len(files))


def none_in(directory: str, notes: Notes | None = None) -> str:
    """Returns the words of the error for a directory without pictures."""
    left_out = f" ({'; '.join(notes.sentences())})" if notes else ""
    return (
        f"`dataset` must be a folder with picture files; {directory!r} has none"
        f"{left_out}."
    )
