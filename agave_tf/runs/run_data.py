"""The images of a run: they stay the same when it goes on, and are compared."""

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
    """The run as it is evaluated: with other settings or other images, in memory alone.

    Args:
      run: the run, as it is stored.
      config: its settings, with those of the images that were loaded.
      record: of these images; others than the run's own are said.
    """
    if run.data is None:
        return run.with_config(config)
    if is_same(run.data, record):
        # As the run says it, so that its scores are known as those of its images.
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


def is_same(of_run: DataRecord, record: DataRecord) -> bool:
    """Tells whether a run has these images, as far as the run knows.

    Args:
      of_run: what the run says of its images; one of version 0.2 knows less of them.
      record: of images that were loaded.
    """
    if of_run.version_0_2:
        return of_run.fingerprint == record.fingerprint
    return of_run.fingerprint == record.version_0_2


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
    if run.data is None or not _is_of(open_source(config), run.data):
        raise InputError(
            f"`dataset` must be {ours!r}, or the same images elsewhere, to go on with "
            f"the run in {run.path}; got {config.dataset!r}. Another --run_dir starts "
            "a new run."
        )


def _is_of(source: ImageSource, data: DataRecord) -> bool:
    """Tells whether a source has the images of a record, before they are read."""
    fingerprint, version_0_2 = source.fingerprints()
    return is_same(
        data, data._replace(fingerprint=fingerprint, version_0_2=version_0_2)
    )


def check_same_data(run: RunDirectory, record: DataRecord) -> DataRecord | None:
    """Checks that images are those that a run was started with.

    Args:
      run: a run that exists; one of version 0.1 does not say which images it has.
      record: of the images it is to go on with.

    Returns:
      What the run is to say of its images. A run of version 0.1 stays one, with the
      images that it held out. One of version 0.2 says more from now on.

    Raises:
      InputError: they are others.
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
    """Warns of runs to start from that were trained on other images.

    Images that are held out now may be among those that they were trained on.

    Args:
      sources: the runs.
      record: of the images of the run that starts.
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
