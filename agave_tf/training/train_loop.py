"""The loop that trains one stage, the same for all stages."""

import os
import time

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from agave_tf.evaluation import Evaluator, Score, summarize
from agave_tf.images import Images, training_batches
from agave_tf.objective import AGAVETerms
from agave_tf.training.initialization import initialize
from agave_tf.training.run_directory import RunDirectory, trained_weights
from agave_tf.training.summaries import SummaryWriter, training_scalars
from agave_tf.training.train_step import TrainState, make_train_step


class NonFiniteError(ArithmeticError):
    """A term of the objective is no longer a number; training stops before saving."""


class Trainer:
    """One stage of training in one run directory.

    Args:
      run: new, or stopped earlier: then training goes on where its checkpoint is.
      images, held_out: of training and of evaluation on the way.
      sources: run directories to start from, by flag; not looked at when resuming.
    """

    def __init__(
        self,
        run: RunDirectory,
        images: Images,
        held_out: Images,
        sources: dict[str, str] | None = None,
    ):
        self.run, self.images, self.held_out = run, images, held_out
        self.settings = run.config.train
        self.num_steps = run.stage.num_steps(run.config)
        # Keras draws the first weights from Python's and NumPy's generators.
        keras.utils.set_random_seed(self.settings.seed)
        with tf.distribute.get_strategy().scope():
            model = run.make_model()
            if not self._latest_checkpoint():
                initialize(model, images, run.config, sources or {})
            self.state = TrainState(model, run.config)
        self.checkpoints = tf.train.CheckpointManager(
            self.state.checkpoint(),
            run.file("checkpoints"),
            max_to_keep=2,
            checkpoint_name="step",
        )
        if self._latest_checkpoint():
            self.checkpoints.checkpoint.restore(
                self._latest_checkpoint()
            ).assert_consumed()
            logging.info("Going on from step %d in %s", self.step, run.path)
        batch = min(self.settings.batch_size, self.settings.evaluate_images or 1)
        self.evaluator = Evaluator(model, batch)

    @property
    def step(self) -> int:
        """Steps made so far."""
        return int(self.state.step.numpy())

    def train(self) -> TrainState:
        """Trains to the last step, and returns what came of it.

        Raises:
          NonFiniteError: a term is infinite or not a number; nothing is saved after it.
        """
        writer = SummaryWriter(self.run.file("summaries"))
        train_step = make_train_step(self.state, self.run.stage, self.run.config)
        if self.step == 0:
            self.save()
            self._evaluate(writer)
        bar = tqdm.tqdm(
            total=self.num_steps,
            initial=self.step,
            desc=self.run.stage.name,
            unit="step",
            disable=None,
        )
        with bar:
            started, step_before = time.monotonic(), self.step
            for batch in self._batches():
                terms = train_step(batch)
                self._check_finite(terms)
                step = self.step
                bar.update()
                if step % self.settings.summary_every == 0 or step == self.num_steps:
                    seconds = time.monotonic() - started
                    images = (step - step_before) * self.settings.batch_size
                    self._report(writer, bar, terms, images / seconds)
                if step % self.settings.checkpoint_every == 0:
                    self.save()
                self._look(writer, step)
                if step % self.settings.summary_every == 0:
                    started, step_before = time.monotonic(), step
        if self.run.step < self.step or not self.run.is_finished:
            self.save()
        writer.flush()
        return self.state

    def save(self) -> None:
        """Writes a checkpoint, then the averaged weights by name."""
        step = self.step
        os.makedirs(self.run.file("checkpoints"), exist_ok=True)
        self.checkpoints.save(checkpoint_number=step)
        averages = [average.numpy() for average in self.state.average.averages]
        self.run.write_weights(trained_weights(self.state.model, averages), step)

    def evaluate(self) -> list[Score]:
        """The averaged weights' scores on `evaluate_images` held-out images."""
        model = self.state.model
        with self.state.average.in_place_of_weights():
            scores = self.evaluator.scores(
                self.held_out,
                num_importance_samples=1,
                seed=self.settings.seed,
                max_images=self.settings.evaluate_images,
            )
        return summarize(scores, model, num_importance_samples=1)

    def _latest_checkpoint(self) -> str | None:
        return tf.train.latest_checkpoint(self.run.file("checkpoints"))

    def _batches(self):
        """The batches that are left, split over the replicas."""
        dataset = training_batches(
            self.images,
            self.settings.batch_size,
            self.settings.seed,
            first_step=self.step,
            num_steps=self.num_steps - self.step,
        )
        strategy = tf.distribute.get_strategy()
        if strategy.num_replicas_in_sync == 1:
            return dataset
        return strategy.experimental_distribute_dataset(dataset)

    def _check_finite(self, terms: AGAVETerms) -> None:
        for name, value in terms._asdict().items():
            if not np.all(np.isfinite(value.numpy())):
                raise NonFiniteError(
                    f"`{name}` became {value.numpy()} at step {self.step} of stage "
                    f"{self.run.stage.name}; the last checkpoint, of step "
                    f"{self.run.step}, is in {self.run.path}. A smaller "
                    "--learning_rate or more --num_initialization_images may help."
                )

    def _report(
        self, writer: SummaryWriter, bar: tqdm.tqdm, terms: AGAVETerms, speed: float
    ) -> None:
        scalars = training_scalars(self.state.model, terms)
        shown = f"{scalars['bits_per_dim']:.3f} bits/dim, {speed:.1f} images/s"
        bar.set_postfix_str(shown)
        if bar.disable:
            logging.info("%s step %d: %s", self.run.stage.name, self.step, shown)
        writer.write_training({**scalars, "images_per_second": speed}, self.step)

    def _look(self, writer: SummaryWriter, step: int) -> None:
        """Evaluation and pictures, when they are due."""
        is_last = step == self.num_steps
        finish_every = self.settings.samples_every
        evaluates = is_last or step % self.settings.evaluate_every == 0
        finishes = finish_every and (is_last or step % finish_every == 0)
        if evaluates:
            self._evaluate(writer)
        if evaluates or finishes:
            with self.state.average.in_place_of_weights():
                writer.write_pictures(
                    self.state.model, self.held_out, self.settings.seed, step, finishes
                )

    def _evaluate(self, writer: SummaryWriter) -> None:
        if not self.settings.evaluate_images:
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
                if not score.name.startswith("kl_level")
            ),
        )
