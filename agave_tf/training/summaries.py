"""What TensorBoard and the progress bar show of a run, all of it in bits/dim.

First come the bits/dim and their parts (group bits_per_dim), then what each level of z
costs (kl_per_level), then how training goes (training). A sweep's runs are compared in
the HParams tab, the parts are drawn over each other in the custom scalars' tab.
"""

import tensorflow as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalars
from tensorboard.plugins.hparams import api as hparams

from agave_tf.data.image_set import Images
from agave_tf.evaluation.bound import bits_per_dim
from agave_tf.evaluation.evaluator import Score
from agave_tf.models.agave import AGAVE
from agave_tf.models.objective import AGAVETerms, auxiliary_elbo, count_dims, elbo
from agave_tf.pictures.rows import Sampler, rows_grid
from agave_tf.runs.run_directory import RunDirectory, fixed_settings
from agave_tf.sampling.draw_images import SamplingSettings
from agave_tf.settings.config import config_to_json

_NUM_PICTURES = 8


def training_scalars(model: AGAVE, terms: AGAVETerms) -> dict[str, float]:
    """Bits/dim of a step's batch means, named as `summarize` names them.

    Reconstruction and kl add up to bits_per_dim.
    For the VAE alone everything is per dimension of y.
    """
    dims = count_dims(model.image_shape)
    auxiliary_dims = count_dims(model.auxiliary_shape)
    likelihood = elbo(terms)
    if model.pixel_cnn is None:
        dims, likelihood = auxiliary_dims, auxiliary_elbo(terms)
    scalars = {"bits_per_dim": float(bits_per_dim(likelihood, dims))}
    if model.pixel_cnn is not None:
        scalars["primary_reconstruction"] = float(
            bits_per_dim(terms.primary_reconstruction, dims)
        )
    if model.vae is not None:
        scalars["auxiliary_reconstruction"] = float(
            bits_per_dim(terms.auxiliary_reconstruction, auxiliary_dims)
        )
        scalars["kl"] = float(bits_per_dim(-terms.kl, dims))
        scalars["kl_objective"] = float(bits_per_dim(-terms.kl_objective, dims))
        for level, kl in enumerate(terms.kl_per_level.numpy()):
            scalars[f"kl_level_{level}"] = float(bits_per_dim(-kl, dims))
    return scalars


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
        """Scalars of a step: bits/dim from `training_scalars`, and how it goes."""
        with self._train.as_default(step):
            for name, value in scalars.items():
                tf.summary.scalar(_tag(name), value)
            for name, value in progress.items():
                tf.summary.scalar(f"training/{name}", value)

    def write_evaluation(self, scores: list[Score], step: int) -> None:
        """Scores of held-out images, under the names that training uses."""
        with self._held_out.as_default(step):
            for score in scores:
                tf.summary.scalar(_tag(score.name), score.mean)

    def write_pictures(
        self, model: AGAVE, images: Images, seed: int, step: int, finish: bool
    ) -> None:
        """Held-out images, f(z), and samples, as far as the model has them.

        Args:
          model: with the weights to show.
          images: held-out images to reconstruct.
          seed: of the draws; the same at every step, so that pictures can be compared.
          step: of training.
          finish: whether the PixelCNN++ draws too; otherwise f(z) alone.
        """
        shown = images.first(_NUM_PICTURES)
        sampler = Sampler(model, SamplingSettings(seed=seed, finish=finish))
        grids = {"samples": sampler.prior(len(shown.image), label=shown.label)}
        if model.vae is not None:
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
    """Where TensorBoard shows a score."""
    if name.startswith("kl_level_"):
        return f"kl_per_level/{int(name.removeprefix('kl_level_')):02d}"
    # Without a name of its own in the group, the whole comes before its parts.
    return name if name == "bits_per_dim" else f"bits_per_dim/{name}"


def _write_configuration(run: RunDirectory) -> None:
    """The text tab, the columns of the HParams tab, and the stacked curves."""
    settings = f"```\n{config_to_json(run.config)}\n```"
    tf.summary.text("configuration", f"{run.stage.name}\n\n{settings}")
    values = {"stage": run.stage.name} | fixed_settings(run.config)
    shown = {"bits_per_dim": "bits/dim", "kl": "KL, bits/dim"}
    metrics = [
        hparams.Metric(_tag(name), display_name=title) for name, title in shown.items()
    ]
    hparams.hparams_config([hparams.HParam(name) for name in values], metrics)
    hparams.hparams(values, trial_id=run.path)
    # Each curve lies on the one before: what is between two of them is a part's share.
    part = "primary" if run.stage.has_pixel_cnn else "auxiliary"
    curves = [f"bits_per_dim/{part}_reconstruction$", "bits_per_dim$"]
    chart = layout_pb2.Chart(
        title="Reconstruction, and with KL on top the whole (bits/dim)",
        multiline=layout_pb2.MultilineChartContent(tag=curves),
    )
    category = layout_pb2.Category(title="Where the bits go", chart=[chart])
    layout = custom_scalars.pb(layout_pb2.Layout(category=[category]))
    tf.summary.experimental.write_raw_pb(layout.SerializeToString())
