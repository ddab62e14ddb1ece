"""The training that a command asks for, checked against what its directory holds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from absl import logging

from agave_tf.data.image_set import Data
from agave_tf.runs.checkpoints import checkpoint_steps
from agave_tf.runs.run_data import check_same_data, check_same_dataset, say_other_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.same_run import changed_midway, check_same_run
from agave_tf.runs.sources import (
    SourceRun,
    check_same_sources,
    describe,
    open_sources,
)
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config


class StagePlan(NamedTuple):
    """The training that was asked for, to be checked against what is there."""

    stage: Stage
    config: Config
    run_dir: str
    sources: Mapping[str, str]  # directory by flag
    data: Data | None  # from Python; None: the images that `config` names

    def existing_run(self) -> RunDirectory | None:
        """The run in the directory, if there is one, after checks that it is this one.

        Raises:
          InputError: it is another.
        """
        existing = check_same_run(self.run_dir, self.stage, self.config)
        if existing:
            check_same_sources(existing, self.sources)
            if self.data is None:
                check_same_dataset(existing, self.config.data)
        return existing

    def is_finished(self, existing: RunDirectory) -> bool:
        """Returns whether a run has made all its steps, and says so."""
        is_finished = existing.step >= self.stage.num_steps(self.config)
        if is_finished:
            logging.info("%s has made its %d steps.", existing.path, existing.step)
        return is_finished

    def opened_sources(self, existing: RunDirectory | None) -> list[SourceRun]:
        """The runs to take the first weights from; none if there is a checkpoint."""
        if existing and checkpoint_steps(existing.file("checkpoints")):
            return []
        return open_sources(self.sources)

    def run(
        self, existing: RunDirectory | None, opened: Sequence[SourceRun], data: Data
    ) -> RunDirectory:
        """The run as it is to be trained.

        Args:
          existing: from `existing_run`.
          opened: from `opened_sources`.
          data: the images.

        Raises:
          InputError: the images cannot be used, or are not the existing run's.
        """
        stage, config = self.stage, self.config
        num_classes = config.pixel_cnn.num_classes if stage.has("pixel_cnn") else 0
        data.train.check_labels(num_classes, "the training part")
        data.test.check_labels(num_classes, "the held-out part")
        run = RunDirectory(
            self.run_dir,
            stage,
            config,
            data.image_shape,
            sources=describe(opened),
            data=data.record,
        )
        if existing is None:
            say_other_data(opened, data.record)
            return run
        record = check_same_data(existing, data.record)
        return dataclasses.replace(
            run,
            # One that was killed before its first checkpoint starts from what they are.
            sources=run.sources if opened else existing.sources,
            data=record,
            changes=existing.changes + changed_midway(stage, existing.config, config),
            step=existing.step,
        )
