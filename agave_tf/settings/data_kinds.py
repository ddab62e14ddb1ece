"""The kinds of data sets that `dataset` can name: a row for each.

A new kind is a row here and a module of agave_tf/data that opens it. The row gives the
setting its help, and errors their words.
"""

from typing import NamedTuple

from agave_tf.settings.user_path import expand_path


class DataKind(NamedTuple):
    """A kind of data set.

    name: the value of `dataset`, or its beginning if a path follows.
    takes_path: `dataset` is NAME:PATH.
    help_text: describes the kind in the setting's help; empty: users cannot name it.
    opener: MODULE.FUNCTION of agave_tf/data. The function takes a `DataConfig` and
      returns an `ImageSource`, without reading the images.
    """

    name: str
    takes_path: bool
    help_text: str
    opener: str

    @property
    def written(self) -> str:
        """The kind as help and errors write it: "folder:PATH"."""
        return f"{self.name}:PATH" if self.takes_path else self.name


KINDS = (
    DataKind("folder", True, "a directory of picture files", "folder.open_folder"),
    DataKind(
        "npz",
        True,
        "an .npz or .npy file with uint8 arrays [N,H,W,C] or [N,H,W], or a directory "
        "of .npz files",
        "arrays.open_arrays",
    ),
    DataKind(
        "dead_leaves",
        False,
        "pictures that the program draws itself, which need no download",
        "dead_leaves.open_dead_leaves",
    ),
    # In the config.json of a run whose images a Python program gave.
    DataKind("in_python:", False, "", "in_python.refuse_to_open"),
)
# Every other name.
TFDS = DataKind(
    "TFDS",
    False,
    "cifar10:3.0.2, mnist, downsampled_imagenet/32x32 and so on",
    "tfds.open_tfds",
)
WRITTEN = tuple(kind.written for kind in KINDS if kind.help_text)
HELP = "; ".join(
    f"{kind.written}: {kind.help_text}" for kind in (TFDS, *KINDS) if kind.help_text
)


class NamedData(NamedTuple):
    """A data set, by its kind and its name within the kind."""

    kind: DataKind
    path: str  # the path; of a kind without paths, the whole name


def named_data(dataset: str) -> NamedData:
    """Finds the kind of a data set, and its path.

    Args:
      dataset: the value of the setting.
    """
    name, _, path = dataset.partition(":")
    for kind in KINDS:
        if kind.takes_path and name == kind.name:
            return NamedData(kind, path)
        if dataset == kind.name:
            return NamedData(kind, dataset)
    return NamedData(TFDS, dataset)


def expand_dataset(dataset: str, name: str) -> str:
    """Expands the path in a name such as folder:PATH, as `expand_path` does.

    Args:
      dataset: the name of a data set, of any kind.
      name: the setting that gives it, for the error.

    Raises:
      InputError: as `expand_path`.
    """
    kind, path = named_data(dataset)
    if not kind.takes_path or not path:
        return dataset
    return f"{kind.name}:{expand_path(path, name)}"
