"""The numbers of a run that TensorBoard and the progress bar show, in bits/dim.

First come the bits/dim and their parts (group bits_per_dim), then what each level of z
costs (kl_per_level), then how training goes (training). A sweep's runs are compared in
the HParams tab, the parts are drawn over each other in the custom scalars' tab.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api as hparams
from tensorboard.summary import v1 as custom_scalars

from agave_tf.data.image_set import Images
from agave_tf.evaluation.image_scores import Score
from agave_tf.models.image_model import ImageModel
from agave_tf.models.parts import LEVEL_PREFIX, WHOLE, Part
from agave_tf.models.vae_model import LatentVariableModel, VAEModel
from agave_tf.pictures.rows import rows_grid
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.same_run import fixed_settings
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.settings.config import config_to_json

_NUM_PICTURES = 8


def training_scalars(model: ImageModel, terms: Any) -> dict[str, float]:
    """A step's mean terms in bits/dim, named as the model's parts.

    Besides them `kl_objective`, the KL with free bits, per dimension of the whole.
    """
    parts = model.parts(terms)
    if model.latent_shapes:
        parts.append(Part("kl_objective", -terms.kl_objective, model.num_dims))
    return {part.name: float(part.bits_per_dim) for part in parts}


class SummaryWriter:
    """TensorBoard's files of a run: `train` and `held_out`, shown over each other.

    Args:
      run: whose directory to write to; None writes nothing.
    """

    def __init__(self, run: RunDirectory | None):
        if run is None:
            self._train = self._held_out = tf.summary.create_noop_writer()
            return
        directory = run.file("summaries")
        self._train = tf.summary.create_file_writer(f"{directory}/train")
        self._held_out = tf.summary.create_file_writer(f"{directory}/held_out")
        with self._held_out.as_default(0):
            _write_configuration(run)

    def write_training(
        self, scalars: dict[str, float], progress: dict[str, float], step: int
    ) -> None:
        """Writes a step's bits/dim, from `training_scalars`, and its progress."""
        with self._train.as_default(step):
            for name, value in scalars.items():
                tf.summary.scalar(_tag(name), value)
            for name, value in progress.items():
                tf.summary.scalar(f"training/{name}", value)

    def write_evaluation(self, scores: list[Score], step: int) -> None:
        """Writes the scores of held-out images under the names that training uses."""
        with self._held_out.as_default(step):
            for score in scores:
                tf.summary.scalar(_tag(score.name), score.mean)

    def write_pictures(
        self, model: ImageModel, images: Images, seed: int, step: int, finish: bool
    ) -> None:
        """Writes held-out images, f(z) and samples, as far as the model has them.

        Args:
          model: the model, with the weights to show.
          images: held-out images, some of which are shown and reconstructed.
          seed: seed of the draws; the same at every step, to compare pictures.
          step: the training step.
          finish: whether the PixelCNN++ draws too; otherwise f(z) alone.
        """
        shown = images.take(images.choose(_NUM_PICTURES))
        sampler = Sampler(model, SamplingSettings(seed=seed, finish=finish))
        grids = {"samples": sampler.prior(len(shown.image), label=shown.label)}
        if isinstance(model, LatentVariableModel):
            grids["reconstructions"] = sampler.reconstruct(shown)
        with self._held_out.as_default(step):
            for name, rows in grids.items():
                if rows:
                    tf.summary.image(f"pictures/{name}", rows_grid(rows)[None])
        self.flush()

    def flush(self) -> None:
        """Puts everything on disk."""
        self._train.flush()
        self._held_out.flush()


def _tag(name: str) -> str:
    """The tag under which TensorBoard shows a score."""
    if name.startswith(LEVEL_PREFIX):
        return f"kl_per_level/{int(name.removeprefix(LEVEL_PREFIX)):02d}"
    # Without a name of its own in the group, the whole comes before its parts.
    return name if name == WHOLE else f"bits_per_dim/{name}"


def _write_configuration(run: RunDirectory) -> None:
    """The text tab, the columns of the HParams tab, and the stacked curves."""
    settings = f"```\n{config_to_json(run.config)}\n```"
    tf.summary.text("configuration", f"{run.stage.name}\n\n{settings}")
    for change in run.changes:
        tf.summary.text("changes", str(change), step=change.step)
    values = {"stage": run.stage.name} | fixed_settings(run.config, run.stage)
    shown = {"bits_per_dim": "bits/dim", "kl": "KL, bits/dim"}
    metrics = [
        hparams.Metric(_tag(name), display_name=title) for name, title in shown.items()
    ]
    hparams.hparams_config([hparams.HParam(name) for name in values], metrics)
    hparams.hparams(values, trial_id=run.path)
    # Each curve lies on the one before: the gap between two curves is a part's share.
    is_of_y = run.stage.model_class is VAEModel
    part = "auxiliary" if is_of_y else "primary"
    curves = [f"bits_per_dim/{part}_reconstruction$", "bits_per_dim$"]
    chart = layout_pb2.Chart(
        title="Reconstruction, and with KL on top the whole (bits/dim)",
        multiline=layout_pb2.MultilineChartContent(tag=curves),
    )
    category = layout_pb2.Category(title="Where the bits go", chart=[chart])
    layout = custom_scalars.custom_scalar_pb(layout_pb2.Layout(category=[category]))
    tf.summary.experimental.write_raw_pb(layout.SerializeToString())


class Profiler:
    """Records a TensorBoard profile of training steps `first` to `last`, inclusive.

    Args:
      directory: where the profile goes, with the run's summaries; None: nowhere, for
        processes that make their steps with another one that records them.
      steps: (first, last), from 1; (0, 0) for no profile.
    """

    def __init__(self, directory: str | None, steps: tuple[int, int]):
        self._directory = directory
        self._before, self._last = steps[0] - 1, steps[1]
        self._is_on = False

    def steps_until_change(self, step: int) -> list[int]:
        """Steps that are left before recording begins, and before it ends."""
        return [at - step for at in (self._before, self._last) if at > step]

    @contextlib.contextmanager
    def around(self, step: int, count: int) -> Iterator[None]:
        """A context for a call that makes the `count` steps after `step`."""
        is_due = self._before <= step < self._last and not self._is_on
        if is_due and self._directory is not None:
            tf.profiler.experimental.start(self._directory)
            self._is_on = True
        yield
        if self._is_on and step + count >= self._last:
            tf.profiler.experimental.stop()
            self._is_on = False
