"""A directory of planned runs: trains and evaluates what is missing."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf
from absl import flags, logging
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agave_tf.images import Images, load_images
from agave_tf.input_error import InputError
from agave_tf.picture_rows import Sampler
from agave_tf.reproduction.planned_runs import PlannedRun, planned_runs
from agave_tf.run_evaluation import EvaluationSettings, evaluate_run
from agave_tf.sampling import SamplingSettings
from agave_tf.training.run_directory import RunDirectory, open_run
from agave_tf.training.stop_request import Stopped, stop_requests
from agave_tf.whole_file import write_text

_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Scale(NamedTuple):
    """How large everything is.

    preset: file in flags/.
    num_importance_samples, max_images, probe_images: of evaluations.
    step_seconds: by stage, of one step, for the estimate of --dry_run; none: unknown.
    """

    preset: str
    num_importance_samples: int
    max_images: int
    probe_images: int
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
        scale = self.scale
        settings = dict(run.settings)
        if run.steps_of:
            settings[f"{run.stage}_steps"] = self._num_steps(run)
        if self.data_dir:
            settings["data_dir"] = self.data_dir
        sources = {flag: self.path(name) for flag, name in run.sources.items()}
        return [
            str(_ROOT / "bin" / "train.py"),
            f"--flagfile={_ROOT / 'flags' / scale.preset}",
            f"--stage={run.stage}",
            f"--run_dir={self.path(run.name)}",
            *(f"--{flag}={value}" for flag, value in (settings | sources).items()),
        ]

    def estimate(self, run: PlannedRun) -> float:
        """Seconds that its training takes from its first step to its last."""
        return self._num_steps(run) * self.scale.step_seconds.get(run.stage, 0.0)

    def _num_steps(self, run: PlannedRun) -> int:
        values = dict(line.lstrip("-").partition("=")[::2] for line in self._preset())
        stages = run.steps_of or (run.stage,)
        return sum(int(values[f"{stage}_steps"]) for stage in stages)

    def _preset(self) -> list[str]:
        preset = f"--flagfile={_ROOT / 'flags' / self.scale.preset}"
        return flags.FlagValues().read_flags_from_files([preset], force_gnu=False)

    def train(self, names: Iterable[str]) -> None:
        """Trains to the end what is not; a run that was stopped goes on.

        Raises:
          InputError: a run could not be trained.
          Stopped: a signal came; the run has saved where it was.
        """
        for run in self.needed(names):
            # Of other settings it is another run, which bin/train.py refuses.
            settings = [*self.command(run), *self._preset()]
            marker = os.path.join(self.path(run.name), "trained.json")
            if _read_json(marker).get("settings") == settings:
                continue
            logging.info("Training %s", run.name)
            started = time.monotonic()
            exit_code = _finish([sys.executable, *self.command(run)])
            if exit_code:
                raise InputError(
                    f"Run {run.name} ended with exit code {exit_code}; what it said is "
                    "above. The same command goes on from there."
                )
            seconds = round(time.monotonic() - started, 1)
            content = {"seconds": seconds, "settings": settings}
            write_text(marker, json.dumps(content, indent=2) + "\n")

    def run(self, name: str) -> RunDirectory:
        """A trained run."""
        return open_run(self.path(name))

    def held_out(self) -> Images:
        """The test images, the same for all runs."""
        if self._images is None:
            config = self.run("pretrain_pixel_cnn").config
            self._images = load_images(config.data, "test", config.train.seed)
        return self._images

    def scores(self, name: str, with_probe: bool = False) -> dict[str, float]:
        """Bits/dim by name, as bin/evaluate.py has them; accuracies as `probe ...`."""
        run, scale = self.run(name), self.scale
        path = run.file("evaluation_test.json")
        stored = _read_json(path)
        if (
            stored.get("step") != run.step
            or stored.get("num_importance_samples") != scale.num_importance_samples
            or stored.get("num_images") != min(scale.max_images, self._num_held_out())
            or (with_probe and "probe" not in stored)
        ):
            settings = EvaluationSettings(
                num_importance_samples=scale.num_importance_samples,
                max_images=scale.max_images,
                probe_images=scale.probe_images if with_probe else 0,
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
            os.path.join(self.path(name), "summaries", "held_out")
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


def _finish(command: list[str]) -> int:
    """Exit code of a command, which gets the signals that come in the meantime."""
    with stop_requests() as stop:
        # Not in our group, or Ctrl-C would reach it twice, and twice kills.
        process = subprocess.Popen(command, start_new_session=True)
        is_told = False
        while process.poll() is None:
            if stop and not is_told:
                process.send_signal(stop.signal_number)
                is_told = True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
    if stop:
        raise Stopped(
            f"stopped by {signal.Signals(stop.signal_number).name}; the same command "
            "goes on from there.",
            stop.signal_number,
        )
    return process.returncode


def _read_json(path: str) -> dict:
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)
