"""The table of the kinds of data sets (settings/data_kinds.py)."""

import pathlib

import pytest

from agave_tf.data import version_0_1
from agave_tf.data.load import opener_of
from agave_tf.settings.data_kinds import KINDS, TFDS, WRITTEN, named_data

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.mark.parametrize("kind", [TFDS, *KINDS])
def test_every_kind_has_a_function_that_opens_it(kind):
    assert callable(opener_of(kind))


@pytest.mark.parametrize("written", WRITTEN)
def test_every_kind_that_users_can_name_is_documented(written):
    assert f"| `{written}` |" in DOCUMENT.read_text()


@pytest.mark.parametrize(
    "dataset,kind,path",
    [
        ("folder:/a:b", "folder", "/a:b"),
        ("folder", "folder", ""),
        ("npz:x.npz", "npz", "x.npz"),
        ("dead_leaves", "dead_leaves", "dead_leaves"),
        ("in_python:", "in_python:", "in_python:"),
        ("dead_leaves:1.0.0", "TFDS", "dead_leaves:1.0.0"),
        ("cifar10:3.0.2", "TFDS", "cifar10:3.0.2"),
    ],
)
def test_a_name_tells_the_kind_and_the_path(dataset, kind, path):
    assert (named_data(dataset).kind.name, named_data(dataset).path) == (kind, path)


def test_version_0_1_opens_kinds_of_the_table():
    assert version_0_1.OPENERS.keys() <= {kind.name for kind in KINDS}
