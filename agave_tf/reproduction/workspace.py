"""A directory of planned runs, and the training of those that are missing."""

import functools
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from absl import logging

from agave_tf.checked_json import read_json
from agave_tf.errors import InputError
from agave_tf.reproduction.compared_models import planned_runs
from agave_tf.reproduction.jobs import Job, run_jobs
from agave_tf.reproduction.planned_run import PlannedRun, is_pretraining, seeded
from agave_tf.reproduction.scales import Scale
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.runs.stages import STAGES
from agave_tf.settings.flag_files import find_flag_file, flag_values, read_flag_file
from agave_tf.whole_file import write_text


class Workspace:
    """The runs of one scale in one directory.

    Args:
      directory: holds the runs; it is made when something is written.
      scale: the size of the runs.
      data_dir: the directory of TFDS; empty: its default.

    Attributes:
      trained: opens, scores and draws from the runs that have been trained.
    """

    def __init__(self, directory: str, scale: Scale, data_dir: str):
        self.directory, self.scale, self.data_dir = directory, scale, data_dir
        self.trained = TrainedRuns(os.path.join(directory, "runs"), scale)
        self._planned = {
            run.name: run
            for seed in range(scale.num_seeds + scale.more_for_table1)
            for planned in planned_runs(scale).values()
            if seed < planned.num_seeds(scale)
            for run in [planned.with_seed(seed)]
        }

    def needed(self, names: Iterable[str]) -> list[PlannedRun]:
        """Returns runs of every seed, and all runs that they start from, sources first.

        Args:
          names: names of `planned_runs`.
        """
        wanted = set()
        queue = [
            name
            for base in names
            for seed in range(self._planned[base].num_seeds(self.scale))
            for name in [seeded(base, seed)]
        ]
        while queue:
            name = queue.pop()
            wanted.add(name)
            queue += self._planned[name].sources.values()
        return [run for run in self._planned.values() if run.name in wanted]

    def command(self, run: PlannedRun) -> list[str]:
        """Returns the command line that trains a run."""
        data_dir = [f"--data_dir={self.data_dir}"] if self.data_dir else []
        return [
            *(sys.executable, "-m", "agave_tf.commands.train"),
            f"--flagfile={find_flag_file(run.preset or self.scale.preset)}",
            f"--run_dir={self.trained.path(run.name)}",
            *data_dir,
            *self._own_settings(run),
            *(
                f"--{flag}={self.trained.path(source)}"
                for flag, source in run.sources.items()
            ),
        ]

    def estimate(self, run: PlannedRun) -> float:
        """Returns the estimated training time of a run, in seconds."""
        usual = _pixels_of_a_step(read_flag_file(self.scale.preset))
        lines = [*self._preset(run), *self._own_settings(run)]
        relative = _pixels_of_a_step(lines) / usual
        step_seconds = self.scale.step_seconds.get(run.stage, 0.0) * relative
        return self.scale.start_seconds + self._num_steps(run) * step_seconds

    def train(self, names: Iterable[str], at_once: int = 1) -> None:
        """Trains the named runs, and those that they start from, where not yet done.

        A run that was stopped goes on from its last checkpoint.

        Args:
          names: names of `planned_runs`, which are trained with every seed.
          at_once: the largest number of runs that train side by side.

        Raises:
          InputError: a run refused its settings or its data, or its preset has changed
            while it was trained.
          JobFailed: a run failed for another reason.
          Stopped: a signal came; the runs have saved their state.
        """
        jobs = [
            Job(
                run.name,
                self.command(run),
                after=set(run.sources.values()),
                finished=functools.partial(
                    self._mark_trained, run, self._identity(run)
                ),
            )
            for run in self.needed(names)
            if not self._is_trained(run)
        ]
        run_jobs(jobs, at_once)

    def _own_settings(self, run: PlannedRun) -> list[str]:
        """Returns the flags in which a run differs from the preset."""
        settings: dict[str, Any] = {"stage": run.stage}
        if not run.preset:
            settings |= self.scale.settings
            if is_pretraining(run):
                settings |= self.scale.pretraining
        settings |= run.settings
        if run.steps_of or run.steps_factor > 1:
            settings[f"{run.stage}_steps"] = self._num_steps(run)
        if run.num_evaluations:
            every = max(1, self._num_steps(run) // run.num_evaluations)
            settings["evaluate_every"] = every
        if run.annealed_share:
            steps = round(run.annealed_share * self._num_steps(run))
            settings["kl_annealing_steps"] = steps
        return [f"--{flag}={value}" for flag, value in settings.items()]

    def _num_steps(self, run: PlannedRun) -> int:
        values = flag_values(self._preset(run))
        stages = run.steps_of or (run.stage,)
        steps = sum(int(values[f"{stage}_steps"]) for stage in stages)
        return run.steps_factor * steps

    def _preset(self, run: PlannedRun) -> list[str]:
        """Returns the lines of a run's preset, without comments."""
        return read_flag_file(run.preset or self.scale.preset)

    def _is_trained(self, run: PlannedRun) -> bool:
        # A directory trained with other settings counts as not trained, and the train
        # command then refuses it with a message that names the setting.
        try:
            lines = read_json(self._marker(run))["settings"].elements()
            stored = [line.text() for line in lines]
        except FileNotFoundError:
            return False
        except InputError as error:
            # The train command finds the run complete, or goes on with it.
            logging.warning("This run is trained, or looked at, again: %s", error)
            return False
        # A preset has numbers of steps for all stages, also for some it does not need.
        others = {f"--{name}_steps" for name in STAGES.keys() - self._stages(run)}
        stored, ours = (
            [line for line in settings if line.partition("=")[0] not in others]
            for settings in (stored, self._identity(run))
        )
        return stored == ours

    def _stages(self, run: PlannedRun) -> set[str]:
        """Returns the stages of the run and of all runs that it starts from."""
        return {run.stage}.union(
            *(self._stages(self._planned[name]) for name in run.sources.values())
        )

    def _mark_trained(
        self, run: PlannedRun, identity: list[str], seconds: float
    ) -> None:
        """Notes that a run is trained, with the settings `identity` that it began with.

        Raises:
          InputError: its preset has changed since: which one it read is not known.
        """
        if self._identity(run) != identity:
            preset = find_flag_file(run.preset or self.scale.preset)
            raise InputError(
                f"The preset {preset} must stay as it is while its runs are trained, "
                f"and it has changed. {run.name} does not count as trained."
            )
        content = {"seconds": round(seconds, 1), "settings": identity}
        write_text(self._marker(run), json.dumps(content, indent=2) + "\n")

    def _identity(self, run: PlannedRun) -> list[str]:
        """Returns all that determines a run, independent of where files lie."""
        return [*self._preset(run), *self._own_settings(run), *run.sources.values()]

    def _marker(self, run: PlannedRun) -> str:
        return os.path.join(self.trained.path(run.name), "trained.json")


def _pixels_of_a_step(lines: Iterable[str]) -> int:
    """Returns how many pixels a step sees; images of CIFAR-10 have 32x32."""
    values = flag_values(lines)
    return int(values["batch_size"]) * int(values.get("image_size", 32)) ** 2
