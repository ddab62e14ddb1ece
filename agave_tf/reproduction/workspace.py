"""A directory of planned runs: trains and evaluates what is missing."""

import functools
import json
import os
import pathlib
import sys
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf
from absl import flags
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agave_tf.data.image_set import Images
from agave_tf.data.load import load_images
from agave_tf.pictures.rows import Sampler
from agave_tf.reproduction.jobs import Job, run_jobs
from agave_tf.reproduction.planned_runs import PROBED, PlannedRun, planned_runs
from agave_tf.runs.evaluate_run import EvaluationSettings, evaluate_run
from agave_tf.runs.run_directory import RunDirectory, open_run
from agave_tf.sampling.draw_images import SamplingSettings
from agave_tf.whole_file import write_text

_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Scale(NamedTuple):
    """How large everything is.

    preset: file in flags/.
    hardware: of the estimated times.
    num_importance_samples, max_images, probe_images: of evaluations.
    start_seconds: before a run's first step. step_seconds: by stage, of one step. Both
      for the estimate of --dry_run, of one run at a time.
    """

    preset: str
    hardware: str
    num_importance_samples: int
    max_images: int
    probe_images: int
    start_seconds: float
    step_seconds: dict[str, float]


class Workspace:
    """Runs of one scale in one directory, and what is drawn from them.

    Args:
      directory: of everything; made when something is written.
      scale: how large.
      data_dir: of TFDS.
    """

    def __init__(self, directory: str, scale: Scale, data_dir: str):
        self.directory, self.scale, self.data_dir = directory, scale, data_dir
        self._planned = planned_runs()
        self._images: Images | None = None

    def needed(self, names: Iterable[str]) -> list[PlannedRun]:
        """The runs of these names and all that they start from, in order."""
        wanted = set()
        queue = list(names)
        while queue:
            name = queue.pop()
            wanted.add(name)
            queue += self._planned[name].sources.values()
        return [run for run in self._planned.values() if run.name in wanted]

    def path(self, name: str) -> str:
        """A run's directory."""
        return os.path.join(self.directory, "runs", name)

    def command(self, run: PlannedRun) -> list[str]:
        """The command line that trains it."""
        data_dir = [f"--data_dir={self.data_dir}"] if self.data_dir else []
        return [
            str(_ROOT / "bin" / "train.py"),
            f"--flagfile={_ROOT / 'flags' / self.scale.preset}",
            f"--run_dir={self.path(run.name)}",
            *data_dir,
            *self._own_settings(run),
            *(f"--{flag}={self.path(name)}" for flag, name in run.sources.items()),
        ]

    def _own_settings(self, run: PlannedRun) -> list[str]:
        settings = {"stage": run.stage, **run.settings}
        if run.steps_of:
            settings[f"{run.stage}_steps"] = self._num_steps(run)
        if run.annealed_share:
            steps = round(run.annealed_share * self._num_steps(run))
            settings["kl_annealing_steps"] = steps
        return [f"--{flag}={value}" for flag, value in settings.items()]

    def estimate(self, run: PlannedRun) -> float:
        """Seconds that its training takes, as far as the scale knows."""
        step_seconds = self.scale.step_seconds.get(run.stage, 0.0)
        return self.scale.start_seconds + self._num_steps(run) * step_seconds

    def _num_steps(self, run: PlannedRun) -> int:
        values = dict(line.lstrip("-").partition("=")[::2] for line in self._preset())
        stages = run.steps_of or (run.stage,)
        return sum(int(values[f"{stage}_steps"]) for stage in stages)

    def _preset(self) -> list[str]:
        preset = f"--flagfile={_ROOT / 'flags' / self.scale.preset}"
        return flags.FlagValues().read_flags_from_files([preset], force_gnu=False)

    def train(self, names: Iterable[str], at_once: int = 1) -> None:
        """Trains to the end what is not; a run that was stopped goes on.

        Args:
          names: of the runs.
          at_once: runs that train side by side.

        Raises:
          InputError: a run could not be trained.
          Stopped: a signal came; the runs have saved where they were.
        """
        jobs = [
            Job(
                run.name,
                [sys.executable, *self.command(run)],
                after=set(run.sources.values()),
                finished=functools.partial(self._mark_trained, run),
            )
            for run in self.needed(names)
            if not self._is_trained(run)
        ]
        run_jobs(jobs, at_once)

    def _is_trained(self, run: PlannedRun) -> bool:
        # Of other settings it is another run, which bin/train.py refuses.
        return _read_json(self._marker(run)).get("settings") == self._settings(run)

    def _mark_trained(self, run: PlannedRun, seconds: float) -> None:
        content = {"seconds": round(seconds, 1), "settings": self._settings(run)}
        write_text(self._marker(run), json.dumps(content, indent=2) + "\n")

    def _settings(self, run: PlannedRun) -> list[str]:
        """What makes it the run it is, wherever it lies."""
        return [*self._preset(), *self._own_settings(run), *run.sources.values()]

    def _marker(self, run: PlannedRun) -> str:
        return os.path.join(self.path(run.name), "trained.json")

    def run(self, name: str) -> RunDirectory:
        """A trained run."""
        return open_run(self.path(name))

    def held_out(self) -> Images:
        """The test images, the same for all runs."""
        if self._images is None:
            config = self.run("pretrain_pixel_cnn").config
            self._images = load_images(config.data, "test", config.train.seed)
        return self._images

    def scores(self, name: str) -> dict[str, float]:
        """Bits/dim by name, as bin/evaluate.py has them.

        Of runs that are probed, if the images have labels, there are accuracies too, as
        `probe ...`.
        """
        run, scale = self.run(name), self.scale
        is_probed = any(name == probed for probed, _ in PROBED.values())
        is_probed &= self.held_out().label is not None
        path = run.file("evaluation_test.json")
        stored = _read_json(path)
        if (
            stored.get("step") != run.step
            or stored.get("num_importance_samples") != scale.num_importance_samples
            or stored.get("num_images") != min(scale.max_images, self._num_held_out())
            or (is_probed and "probe" not in stored)
        ):
            settings = EvaluationSettings(
                num_importance_samples=scale.num_importance_samples,
                max_images=scale.max_images,
                probe_images=scale.probe_images if is_probed else 0,
            )
            evaluate_run(run, run.load_model(), self.held_out(), settings)
            stored = _read_json(path)
        probed = {f"probe {k}": v for k, v in stored.get("probe", {}).items()}
        return stored["scores"] | probed

    def bound(self, name: str) -> float:
        """Bits/dim of the tightest bound there is."""
        scores = self.scores(name)
        return scores.get(
            f"bits_per_dim_{self.scale.num_importance_samples}_samples",
            scores["bits_per_dim"],
        )

    def kl_curve(self, name: str) -> tuple[list[int], list[float]]:
        """Steps, and bits/dim of the KL of held-out images, as TensorBoard has them."""
        events = EventAccumulator(
            os.path.join(self.path(name), "summaries", "held_out"),
            size_guidance={"tensors": 0},  # All of them.
        )
        events.Reload()
        curve = {
            event.step: float(tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors("bits_per_dim/kl")
        }
        steps = sorted(curve)
        return steps, [curve[step] for step in steps]

    def sampler(self, name: str, finish: bool = True) -> Sampler:
        """What draws from a run; the same seed for all."""
        settings = SamplingSettings(seed=0, finish=finish)
        return Sampler(self.run(name).load_model(), settings)

    def _num_held_out(self) -> int:
        return len(self.held_out().image)


def _read_json(path: str) -> dict:
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)
