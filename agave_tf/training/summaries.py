"""What TensorBoard and the progress bar show of a run, all of it in bits/dim."""

import tensorflow as tf

from agave_tf.agave import AGAVE
from agave_tf.evaluation import Score
from agave_tf.images import Images
from agave_tf.importance_weighted_bound import bits_per_dim
from agave_tf.objective import AGAVETerms, auxiliary_elbo, count_dims, elbo
from agave_tf.picture_rows import Sampler
from agave_tf.pictures import image_grid
from agave_tf.sampling import SamplingSettings

_NUM_PICTURES = 8


def training_scalars(model: AGAVE, terms: AGAVETerms) -> dict[str, float]:
    """Bits/dim of a step's batch means; reconstruction and kl add up to bits_per_dim.

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
            scalars[f"kl_per_level/{level:02d}"] = float(bits_per_dim(-kl, dims))
    return scalars


class SummaryWriter:
    """TensorBoard's files of a run: `train` and `held_out`, shown over each other.

    Args:
      directory: where; None writes nothing.
    """

    def __init__(self, directory: str | None):
        if directory is None:
            self._train = self._held_out = tf.summary.create_noop_writer()
        else:
            self._train = tf.summary.create_file_writer(f"{directory}/train")
            self._held_out = tf.summary.create_file_writer(f"{directory}/held_out")

    def write_training(self, scalars: dict[str, float], step: int) -> None:
        """Scalars of a step."""
        with self._train.as_default(step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)

    def write_evaluation(self, scores: list[Score], step: int) -> None:
        """Scores of held-out images, under the names that training uses."""
        with self._held_out.as_default(step):
            for score in scores:
                name = score.name
                if name.startswith("kl_level_"):
                    name = f"kl_per_level/{int(name.removeprefix('kl_level_')):02d}"
                tf.summary.scalar(name, score.mean)

    def write_pictures(
        self, model: AGAVE, images: Images, seed: int, step: int, finish: bool
    ) -> None:
        """Grids of samples and reconstructions, as far as the model has them.

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
                    pictures = [row.images for row in rows]
                    tf.summary.image(name, image_grid(pictures, scale=2)[None])
        self.flush()

    def flush(self) -> None:
        """Puts everything on disk."""
        self._train.flush()
        self._held_out.flush()
