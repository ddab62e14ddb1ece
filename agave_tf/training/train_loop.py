"""The loop that trains one stage, the same for all stages and devices."""

import dataclasses
import signal
import time
from collections.abc import Iterable

import tensorflow as tf
import tqdm
from absl import logging

from agave_tf.data.batches import ImageBatch, training_batches
from agave_tf.data.image_set import Images
from agave_tf.errors import NonFiniteError, Stopped
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.image_scores import Score, summarize
from agave_tf.models.parts import LEVEL_PREFIX
from agave_tf.runs.checkpoints import Checkpoints
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.training.stop_request import StopRequest, stop_requests
from agave_tf.training.strategy import (
    images_at_a_time,
    is_chief,
    num_processes,
    wait_for_all_processes,
)
from agave_tf.training.summaries import Profiler, SummaryWriter, training_scalars
from agave_tf.training.train_state import TrainState
from agave_tf.training.train_step import StepReport, make_train_steps
from agave_tf.weights.library_internals import freeing_graphs


class Trainer:
    """One stage of training in one run directory; `open_trainer` makes it.

    Args:
      run: the run, with the settings that hold from the state's step on.
      images: the training images; whole, if they are cut at random.
      held_out: the images of the evaluations during training.
      state: the weights and all else that a step changes.
      checkpoints: where the state is saved.
    """

    def __init__(
        self,
        run: RunDirectory,
        images: Images,
        held_out: Images,
        state: TrainState,
        checkpoints: Checkpoints,
    ):
        self.run, self.images, self.held_out = run, images, held_out
        self.state, self.checkpoints = state, checkpoints
        self.settings = run.config.train
        self.num_steps = run.num_steps
        self._saved_step: int | None = None
        held = images_at_a_time(run.config)
        batch = max(1, min(held, self.settings.evaluate_images))
        self.evaluator = Evaluator(state.network, batch)

    @property
    def step(self) -> int:
        """Steps made so far."""
        return int(self.state.step.numpy())

    def train(self) -> TrainState:
        """Trains to the last step, and returns the final state.

        Raises:
          NonFiniteError: too many updates in a row were skipped.
          Stopped: a signal came; everything is saved.
        """
        writer = SummaryWriter(self.run if is_chief() else None)
        profiler = Profiler(
            self.run.file("summaries") if is_chief() else None,
            self.run.config.compute.profiled_steps,
        )
        train_steps = make_train_steps(self.state, self.run.stage, self.run.config)
        bar = tqdm.tqdm(
            total=self.num_steps,
            initial=self.step,
            desc=self.run.stage.name,
            unit="step",
            disable=None if is_chief() else True,
        )
        batches = iter(self._batches())
        logging.info("%s: building the graph of a step", self.run.stage.name)
        # With one process we may stop at once; otherwise all must agree on the step.
        is_alone = num_processes(tf.distribute.get_strategy()) == 1
        with stop_requests() as stop, bar, freeing_graphs(train_steps):
            if self.step == 0:
                self.save()
                self._evaluate(writer)
            started, step_before = time.monotonic(), self.step
            while (step := self.step) < self.num_steps:
                count = self._steps_to_go(step, profiler)
                with profiler.around(step, count):
                    report = train_steps(batches, tf.constant(count), _votes(stop))
                bar.update(self.step - step)
                step = self.step  # Less than asked for after too many skipped updates.
                self._check_skipped(step)
                if step % self.settings.summary_every == 0 or step == self.num_steps:
                    seconds = time.monotonic() - started
                    images = (step - step_before) * self.settings.batch_size
                    self._report(writer, bar, report, images / seconds)
                if step % self.settings.checkpoint_every == 0:
                    self.save()
                if stop if is_alone else int(report.stop_votes):
                    self._stop(stop, writer)
                self._look(writer, step)
                if step % self.settings.summary_every == 0:
                    started, step_before = time.monotonic(), step
            # Before anything that a host program may make fail.
            self.save()
            writer.flush()
        wait_for_all_processes()
        return self.state

    def save(self) -> None:
        """Writes a checkpoint, then the averaged weights by name; once for a step."""
        if self.step == self._saved_step or not is_chief():
            return
        self.checkpoints.save(self.step)
        self.run.write_weights(self.state.averaged_weights(), self.step)
        self._saved_step = self.step
        self.run = dataclasses.replace(self.run, step=self.step)

    def evaluate(self) -> list[Score]:
        """The averaged weights' scores on `evaluate_images` held-out images."""
        with self.state.using_averages():
            scores = self.evaluator.scores(
                self.held_out,
                num_importance_samples=1,
                seed=self.settings.seed,
                max_images=self.settings.evaluate_images,
            )
        return summarize(scores, self.state.network, num_importance_samples=1)

    def _batches(self) -> Iterable[ImageBatch]:
        """The remaining batches, split over the replicas."""
        first, count = self.step, self.num_steps - self.step
        return tf.distribute.get_strategy().distribute_datasets_from_function(
            lambda context: training_batches(
                self.images,
                self.settings.batch_size,
                self.settings.seed,
                first,
                count,
                context,
                crop=self.run.config.data.random_crop,
                flip=self.settings.flip,
            )
        )

    def _steps_to_go(self, step: int, profiler: Profiler) -> int:
        """Steps to make in the next call: up to the next step with work after it."""
        every = [
            self.settings.summary_every,
            self.settings.checkpoint_every,
            self.settings.evaluate_every,
        ]
        until_work = [n - step % n for n in every] + [self.num_steps - step]
        until_work += profiler.steps_until_change(step)
        return min(self.run.config.compute.steps_per_call, *until_work)

    def _check_skipped(self, step: int) -> None:
        in_a_row = int(self.state.skipped_in_a_row.numpy())
        if in_a_row >= self.settings.max_skipped:
            raise NonFiniteError(
                f"{in_a_row} updates in a row up to step {step} of stage "
                f"{self.run.stage.name} were skipped, their gradients not finite or "
                f"exploding; the last checkpoint, of step {self.run.step}, is in "
                f"{self.run.path}. A smaller --learning_rate or more "
                "--num_initialization_images may help."
            )

    def _stop(self, stop: StopRequest, writer: SummaryWriter) -> None:
        self.save()
        writer.flush()
        by = signal.Signals(stop.signal_number).name if stop else "another process"
        raise Stopped(
            f"stopped by {by} at step {self.step} of {self.num_steps}, saved in "
            f"{self.run.path}; the same command goes on from there.",
            stop.signal_number,
        )

    def _report(
        self, writer: SummaryWriter, bar: tqdm.tqdm, report: StepReport, speed: float
    ) -> None:
        scalars = training_scalars(self.state.network, report.terms)
        progress = {
            "images_per_second": speed,
            "gradient_norm": float(report.gradient_norm),
            "skipped_updates": float(self.state.skipped.numpy()),
            "learning_rate": self.state.learning_rate(),
        }
        shown = f"{scalars['bits_per_dim']:.3f} bits/dim, {speed:.1f} images/s"
        bar.set_postfix_str(shown)
        if bar.disable:
            logging.info("%s step %d: %s", self.run.stage.name, self.step, shown)
        writer.write_training(scalars, progress, self.step)

    def _look(self, writer: SummaryWriter, step: int) -> None:
        """Evaluates and draws pictures, when they are due."""
        if not self.settings.evaluate_images or not is_chief():
            return
        if step == self.num_steps or step % self.settings.evaluate_every == 0:
            self._evaluate(writer)
            with self.state.using_averages():
                writer.write_pictures(
                    self.state.network,
                    self.held_out,
                    self.settings.seed,
                    step,
                    self.settings.show_samples,
                )

    def _evaluate(self, writer: SummaryWriter) -> None:
        if not self.settings.evaluate_images or not is_chief():
            return
        scores = self.evaluate()
        writer.write_evaluation(scores, self.step)
        writer.flush()
        logging.info(
            "%s step %d, held-out: %s",
            self.run.stage.name,
            self.step,
            ", ".join(
                f"{score.name} {score.mean:.4f}"
                for score in scores
                if not score.name.startswith(LEVEL_PREFIX)
            ),
        )


def _votes(stop: StopRequest) -> tf.Tensor:
    """A float32 for each replica of this process: 1 if it was asked to stop."""
    vote = tf.constant(float(bool(stop)))
    strategy = tf.distribute.get_strategy()
    return strategy.experimental_distribute_values_from_function(lambda _: vote)
