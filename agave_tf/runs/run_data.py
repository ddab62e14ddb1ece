"""Loads the images of a run; checks that a run that goes on has the same images."""

import dataclasses
from collections.abc import Sequence

from absl import logging

from agave_tf.data.image_set import Data, DataRecord
from agave_tf.data.load import load_data, open_source
from agave_tf.data.source import IMAGE_PARTS, ImageSource
from agave_tf.errors import InputError
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.sources import SourceRun
from agave_tf.settings.config import Config
from agave_tf.settings.data import DataConfig


def load_run_data(
    run: RunDirectory | None, config: DataConfig, parts: Sequence[str] = IMAGE_PARTS
) -> Data:
    """Loads images for a run, with the hold-out of the version that started it.

    Args:
      run: a run that exists, as it is stored; None for a new one.
      config: the settings of the images, which may be others than the run's own.
      parts: "train", "test" or both.

    Raises:
      InputError: the images cannot be used.
    """
    return load_data(config, parts, _version_0_1_seed(run, config))


def _version_0_1_seed(run: RunDirectory | None, config: DataConfig) -> int | None:
    """The seed that chose the images of a run of version 0.1; None for other runs."""
    if run is None or run.data is not None or run.origin:
        return None
    return run.config.train.seed if config.dataset == run.config.data.dataset else None


def on_images(run: RunDirectory, config: Config, record: DataRecord) -> RunDirectory:
    """A copy of a run for an evaluation on given images; nothing is written.

    A warning says so if they are not the images that the run was trained on.

    Args:
      run: the run, as it is stored.
      config: its settings, but for those of the data, which are of the loaded images.
      record: tells the loaded images from others.
    """
    if run.data is None:
        return run.with_config(config)
    if is_same(run.data, record):
        # With the fingerprint of the run, by which its scores are found again.
        record = record._replace(
            fingerprint=run.data.fingerprint, version_0_2=run.data.version_0_2
        )
    else:
        logging.warning(
            "%s was trained on other images, %s: %s.",
            run.path,
            run.config.data.dataset,
            run.data,
        )
    return dataclasses.replace(run, config=config, data=record, stored=run.as_stored)


def is_same(known: DataRecord, loaded: DataRecord) -> bool:
    """Returns whether a run was started with these images, as far as it recorded.

    Args:
      known: the record that the run has; that of version 0.2 has one fingerprint only.
      loaded: the record of the images that were loaded.
    """
    if known.version_0_2:
        return known.fingerprint == loaded.fingerprint
    return known.fingerprint == loaded.version_0_2


def check_same_dataset(run: RunDirectory, config: DataConfig) -> None:
    """Checks a run against the name of a data set, before its images are read.

    Another name, such as another path, must be of the same images.

    Args:
      run: a run that exists.
      config: the settings it is to go on with.

    Raises:
      InputError: the name differs, and so do the images.
    """
    ours = run.config.data.dataset
    if config.dataset == ours:
        return
    if run.data is None or not _has_images(open_source(config), run.data):
        raise InputError(
            f"`dataset` must be {ours!r}, or the same images elsewhere, to go on with "
            f"the run in {run.path}; got {config.dataset!r}. Another --run_dir starts "
            "a new run."
        )


def _has_images(source: ImageSource, data: DataRecord) -> bool:
    """Returns whether a source has these images; reads no pixels."""
    fingerprint, version_0_2 = source.fingerprints()
    return is_same(
        data, data._replace(fingerprint=fingerprint, version_0_2=version_0_2)
    )


def check_same_data(run: RunDirectory, record: DataRecord) -> DataRecord | None:
    """Checks that images are those that a run was started with.

    Args:
      run: a run that exists.
      record: tells the images it is to go on with.

    Returns:
      The record that the run is to keep: None, as before, for a run of version 0.1,
      which goes on to hold out the images it did; `record` for a run of version 0.2,
      whose own has less; else the run's own.

    Raises:
      InputError: the images are others.
    """
    if run.data is None:
        logging.info("%s does not say which images it was trained on.", run.path)
        return None
    # The counts too: other files may be unreadable than before, and left out.
    if not is_same(run.data, record) or run.data[1:3] != record[1:3]:
        raise InputError(
            f"`dataset` must have the images that the run in {run.path} was started "
            f"with, and their labels: {run.data}; got {record}. Another --run_dir, "
            "with --init_from and the like, starts a new run from its weights."
        )
    if not run.data.version_0_2:
        return record
    if run.data.version_0_2 != record.version_0_2:
        logging.warning(
            "The images of %s come in another order than when it was started: from "
            "here on its batches are others than in an undisturbed run.",
            run.path,
        )
    return run.data


def say_other_data(sources: Sequence[SourceRun], record: DataRecord) -> None:
    """Warns of sources that were trained on other images.

    Images that are held out now may be among those that they were trained on.

    Args:
      sources: the runs.
      record: tells the images of the run that starts.
    """
    for flag, run in sources:
        if run.data is None:
            logging.info("--%s=%s does not say which images it has.", flag, run.path)
        elif not is_same(run.data, record):
            logging.warning(
                "--%s=%s was trained on other images: %s, %s; now %s. Images that are "
                "held out now may be among them.",
                flag,
                run.path,
                run.config.data.dataset,
                run.data,
                record,
            )
