"""Scores, curves and pictures of the runs that a workspace has trained."""

import dataclasses
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from agave_tf.data.image_set import Images
from agave_tf.pictures.rows import Sampler
from agave_tf.reproduction.event_curves import Curve, read_curve
from agave_tf.reproduction.planned_runs import PROBED
from agave_tf.reproduction.scales import Scale
from agave_tf.runs.evaluate_run import evaluate_run, stored_scores
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory, open_run
from agave_tf.sampling.draw_images import SamplingSettings
from agave_tf.settings.evaluation import EvaluationSettings


class Scores(NamedTuple):
    """Means over the held-out images, in bits/dim, as `agave-evaluate` prints them.

    The properties are of models that have the part; KeyError for others.
    """

    bits_per_dim: float  # the mean over the samples of z
    bound: float  # importance-weighted; without z it is bits_per_dim
    parts: dict[str, float]  # all scores of the model, by name
    probe: dict[str, float]  # accuracy by features; empty for runs that are not probed

    @property
    def kl(self) -> float:
        """The KL, unweighted."""
        return self.parts["kl"]

    @property
    def primary_reconstruction(self) -> float:
        """-ln p(x|z) in bits/dim."""
        return self.parts["primary_reconstruction"]

    @property
    def auxiliary_reconstruction(self) -> float:
        """-ln p(y|z) in bits per dimension of y."""
        return self.parts["auxiliary_reconstruction"]


class TrainedRuns:
    """Gives what the tables and figures show of trained runs.

    Args:
      directory: holds a directory for each run.
      scale: says how the runs are scored.
    """

    def __init__(self, directory: str, scale: Scale):
        self.directory, self.scale = directory, scale
        self._held_out: Images | None = None
        self._scores: dict[str, Scores] = {}

    def path(self, name: str) -> str:
        """Returns the directory of a run."""
        return os.path.join(self.directory, name)

    def open(self, name: str) -> RunDirectory:
        """Opens a trained run."""
        return open_run(self.path(name))

    def held_out(self, name: str) -> Images:
        """Returns the held-out images of a run, which are the same for all runs."""
        if self._held_out is None:
            run = self.open(name)
            self._held_out = load_run_data(run, run.config.data, ["test"]).test
        return self._held_out

    def scores(self, name: str) -> Scores:
        """Returns the scores of a run, which is evaluated if they are not stored yet.

        Runs of `PROBED` are probed too, if the images have labels.
        """
        if name not in self._scores:
            self._scores[name] = self._read_scores(name)
        return self._scores[name]

    def _read_scores(self, name: str) -> Scores:
        run, settings = self.open(name), self._evaluation(name)
        stored = stored_scores(run, settings)
        if stored is None:
            evaluate_run(run, run.load_model(), self.held_out(name), settings)
            stored = stored_scores(run, settings)
        assert stored is not None  # `evaluate_run` has stored them.
        scores, num_samples = stored["scores"], settings.num_importance_samples
        bits = scores["bits_per_dim"]
        return Scores(
            bits_per_dim=bits,
            bound=scores.get(f"bits_per_dim_{num_samples}_samples", bits),
            parts=scores,
            probe=stored.get("probe", {}),
        )

    def _evaluation(self, name: str) -> EvaluationSettings:
        is_probed = any(name == probed.run for probed in PROBED)
        has_labels = is_probed and self.held_out(name).label is not None
        return dataclasses.replace(self.scale.evaluation, probe=has_labels)

    def kl_curve(self, name: str) -> Curve:
        """Returns the KL of held-out images during training, in bits/dim."""
        summaries = os.path.join(self.path(name), "summaries", "held_out")
        return read_curve(summaries, "bits_per_dim/kl")

    def sampler(self, name: str, finish: bool = True) -> Sampler:
        """Returns a sampler of a run; all runs draw with the same seed.

        Args:
          name: the run.
          finish: draws images with the PixelCNN++ too, not f(z) alone.
        """
        settings = SamplingSettings(seed=0, finish=finish)
        return Sampler(self.open(name).load_model(), settings)

    def provenance(self, names: Iterable[str]) -> dict[str, Any]:
        """Returns all that numbers of these runs depend on: training and evaluation."""
        return {
            "preset": self.scale.preset,
            "steps": {name: self.open(name).step for name in names},
            "evaluation": dataclasses.asdict(self.scale.evaluation),
        }
