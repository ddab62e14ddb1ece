"""Modules of version 0.1 say where they are now; the package offers its main names."""

import importlib

import pytest

import agave_tf
from agave_tf import moved


@pytest.mark.parametrize("name", moved._MOVED)
def test_a_moved_module_names_its_new_place(name):
    with pytest.raises(ModuleNotFoundError, match=f"^agave_tf.{name} is now agave_tf."):
        importlib.import_module(f"agave_tf.{name}")


@pytest.mark.parametrize("place", moved._MOVED.values())
def test_the_new_place_exists(place):
    for module in place.replace(" and agave_tf.", " ").split():
        name, _, last = f"agave_tf.{module}".rpartition(".")
        parent = importlib.import_module(name)
        assert hasattr(parent, last) or importlib.import_module(f"{name}.{last}")


def test_names_are_explained_however_they_are_imported():
    with pytest.raises(ModuleNotFoundError, match="now agave_tf.data.load and"):
        from agave_tf import images  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="now agave_tf.pictures.rows"):
        from agave_tf.picture_rows import Sampler  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="draw_images.SamplingSettings"):
        from agave_tf.sampling import SamplingSettings  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="No module named 'agave_tf.nothing'"):
        importlib.import_module("agave_tf.nothing")


def test_the_package_offers_its_main_names():
    for name in agave_tf.__all__:
        assert name in dir(agave_tf)
        assert getattr(agave_tf, name) is not None
    assert agave_tf.open_run.__module__ == "agave_tf.runs.run_directory"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        agave_tf.nothing  # noqa: B018
