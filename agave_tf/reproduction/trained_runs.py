"""Scores, curves and pictures of the runs that a workspace has trained."""

import dataclasses
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.reproduction.compared_models import planned_runs, probed_runs
from agave_tf.reproduction.planned_run import seeded
from agave_tf.reproduction.scales import Scale
from agave_tf.reproduction.scored_images import ScoredImages
from agave_tf.runs.evaluate_run import stored_or_new_scores
from agave_tf.runs.event_curves import Curve, Point, read_curves
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.settings.evaluation import EvaluationSettings


class Scores(NamedTuple):
    """Scores of the held-out images by every seed's model, [S,N] bits/dim each.

    A property raises KeyError if the model does not have that part.
    """

    bits_per_dim: np.ndarray  # the mean over the samples of z
    bound: np.ndarray  # importance-weighted; without z it is bits_per_dim
    parts: dict[str, np.ndarray]  # all scores of the model, by name
    # By features: 1 where the classifier is right, else 0, for images with a label;
    # empty for runs that are not probed.
    probe: dict[str, np.ndarray]

    @property
    def bounds(self) -> dict[str, np.ndarray]:
        """Both bounds by name; Figures 4 and 8 of the paper show the first one."""
        return {
            "single-sample bound": self.bits_per_dim,
            "importance-weighted bound": self.bound,
        }

    @property
    def kl(self) -> np.ndarray:
        """The KL, unweighted."""
        return self.parts["kl"]

    @property
    def primary_reconstruction(self) -> np.ndarray:
        """-ln p(x|z) in bits/dim."""
        return self.parts["primary_reconstruction"]

    @property
    def auxiliary_reconstruction(self) -> np.ndarray:
        """-ln p(y|z) in bits per dimension of y."""
        return self.parts["auxiliary_reconstruction"]

    @property
    def vae(self) -> np.ndarray:
        """The bound of the VAE, of a model whose y has the size of x."""
        return self.auxiliary_reconstruction + self.kl


class TrainedRuns:
    """Opens, scores and draws from the trained runs that tables and figures show.

    `name` is a name of `planned_runs`, and stands for the trainings with all seeds.

    Args:
      directory: holds a directory for each run.
      scale: has the number of seeds, and the settings of the evaluation.
    """

    def __init__(self, directory: str, scale: Scale):
        self.directory, self.scale = directory, scale
        self._images = ScoredImages(scale)
        self._scores: dict[tuple[str, int], Scores] = {}
        self._planned = planned_runs(scale)
        self._weights: dict[str, str] = {}  # fingerprints of opened runs, by path
        self._points: dict[str, dict[str, list[Point]]] = {}  # of curves, by path

    def path(self, name: str) -> str:
        """Returns the directory of a run."""
        return os.path.join(self.directory, name)

    def sources(self, name: str) -> list[str]:
        """Returns the names of the runs that a run starts from."""
        return [*self._planned[name].sources.values()]

    def open(self, name: str, seed: int = 0) -> RunDirectory:
        """Opens a trained run.

        Raises:
          InputError: its weights have changed since it was opened before, so that
            results from before are those of another training.
        """
        run = open_run(self.path(seeded(name, seed)))
        weights = self._weights.setdefault(run.path, run.fingerprint())
        if weights != run.fingerprint():
            raise InputError(
                f"The runs must stay as they are while results are made of them; "
                f"{run.path} has other weights than before. The same command makes "
                "them anew."
            )
        return run

    def seeds(self, name: str) -> range:
        """Returns the seeds that a run has in common with the others."""
        return range(self.scale.num_seeds if self._planned[name].has_seeds else 1)

    def held_out(self, name: str) -> Images:
        """Returns the held-out images, which are the same for all runs."""
        return self._images.images(self.open(name))

    def scores(self, name: str, all_seeds: bool = False) -> Scores:
        """Returns the scores of a run, which is evaluated if they are not stored yet.

        Runs of `probed_runs` are probed too, if the images have labels.

        Args:
          name: the run.
          all_seeds: every training of the run; False: with the seeds of `seeds`, as
            many as other runs have, to compare it with them.
        """
        seeds = self.seeds(name)
        if all_seeds:
            seeds = range(self._planned[name].num_seeds(self.scale))
        key = (name, len(seeds))
        if key not in self._scores:
            self._scores[key] = self._read_scores(name, seeds)
        return self._scores[key]

    def measure_pictures(
        self, name: str, measure: Callable[[Sampler], np.ndarray], finish: bool = False
    ) -> np.ndarray:
        """Measures pictures that every training of a run draws, [S,N].

        Args:
          name: the run.
          measure: draws N pictures from a sampler, and gives a value for each.
          finish: as `sampler` takes it.
        """
        samplers = (self.sampler(name, finish, seed) for seed in self.seeds(name))
        return np.stack([measure(sampler) for sampler in samplers])

    def _read_scores(self, name: str, seeds: range) -> Scores:
        settings = self._evaluation(name)
        per_seed = [
            stored_or_new_scores(
                self._images.with_images(self.open(name, seed)),
                lambda: self.held_out(name),
                settings,
            )
            for seed in seeds
        ]
        parts = {key: np.stack([s[key] for s in per_seed]) for key in per_seed[0]}
        probe = {
            key.removeprefix("probe of "): _labelled(parts.pop(key))
            for key in [*parts]
            if key.startswith("probe of ")
        }
        bits = parts["bits_per_dim"]
        samples = self.scale.evaluation.num_importance_samples
        bound = parts.get(f"bits_per_dim_{samples}_samples", bits)
        return Scores(bits, bound, parts, probe)

    def _evaluation(self, name: str) -> EvaluationSettings:
        is_probed = any(name == probed.run for probed in probed_runs(self.scale))
        label = self.held_out(name).label if is_probed else None
        has_labels = label is not None and bool((label >= 0).any())
        return dataclasses.replace(self.scale.evaluation, probe=has_labels)

    def curve(self, name: str, score: str = "kl", seed: int = 0) -> Curve:
        """Returns a score of held-out images during training, in bits/dim.

        Args:
          name: the run.
          score: the name of a part; empty: the whole.
          seed: the seed of the training.
        """
        tag = "/".join(filter(None, ("bits_per_dim", score)))
        points = self._curves(name, seed)[tag]
        return Curve([p.step for p in points], [p.value for p in points])

    def minutes(self, name: str, seed: int = 0) -> np.ndarray:
        """Returns when the values of `curve` were measured, since training began.

        The time of interruptions does not count, that of these measurements does.
        """
        points = self._curves(name, seed)["bits_per_dim"]
        return np.array([p.seconds for p in points]) / 60

    def _curves(self, name: str, seed: int) -> dict[str, list[Point]]:
        """The scores of held-out images during training, read once."""
        run = self.open(name, seed)
        if run.path not in self._points:
            directory = run.file(os.path.join("summaries", "held_out"))
            self._points[run.path] = read_curves(directory)
        return self._points[run.path]

    def sampler(self, name: str, finish: bool = True, seed: int = 0) -> Sampler:
        """Returns a sampler of a run; all runs draw with the same random numbers.

        Args:
          name: the run.
          finish: draws images with the PixelCNN++ too, not f(z) alone.
          seed: the seed of the training.
        """
        settings = SamplingSettings(seed=0, finish=finish)
        model = self.open(name, seed).load_model()
        if self.scale.pretraining:
            model = model.of_size(self.held_out(name).shape[:2])
        return Sampler(model, settings)

    def provenance(self, names: Iterable[str]) -> dict[str, Any]:
        """Returns the training and evaluation that numbers of these runs depend on."""
        return {
            "preset": self.scale.preset,
            "num_seeds": {n: self._planned[n].num_seeds(self.scale) for n in names},
            "steps": {name: self.open(name).step for name in names},
            "evaluation": dataclasses.asdict(self.scale.evaluation),
        }


def _labelled(is_right: np.ndarray) -> np.ndarray:
    """Leaves out the images without a label, whose values are NaN: [S,N] to [S,M]."""
    values = is_right.astype(float)
    return values[:, ~np.isnan(values).any(axis=0)]
