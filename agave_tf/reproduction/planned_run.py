"""A planned training run: its stage, its settings and the runs it starts from."""

from typing import Any, NamedTuple

from agave_tf.reproduction.scales import Scale


def seeded(name: str, seed: int) -> str:
    """Returns the name of the run with this seed; that of seed 0 has no suffix."""
    return f"{name}_seed_{seed}" if seed else name


class PlannedRun(NamedTuple):
    """A run: a stage, its differences from the scale's preset, and its sources.

    Most are trained with several seeds, so that what a seed changes can be told from
    what a setting changes. A run of one seed starts from runs of the same seed.

    name: its directory.
    stage: the stage it trains.
    settings: values that differ from the preset, by flag.
    sources: names of the planned runs it starts from, by flag.
    steps_of: stages of the preset whose numbers of steps add up to the run's own;
      empty: its own stage.
    steps_factor: multiplies that number.
    has_seeds: True if it is trained with all seeds of the scale; else with one.
    is_in_table1: True if it is trained with the further seeds of Table 1.
    annealed_share: share of its steps during which the weight of the KL rises.
    num_evaluations: number of evaluations on held-out images during training; 0: as
      the preset says.
    preset: name of its flag file; empty: the scale's.
    """

    name: str
    stage: str
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    steps_of: tuple[str, ...] = ()
    steps_factor: int = 1
    has_seeds: bool = True
    is_in_table1: bool = False
    annealed_share: float = 0.0
    num_evaluations: int = 0
    preset: str = ""

    def num_seeds(self, scale: Scale) -> int:
        """Returns the number of its trainings; their seeds are 0, 1 and so on."""
        if not self.has_seeds:
            return 1
        return scale.num_seeds + (scale.more_for_table1 if self.is_in_table1 else 0)

    def with_seed(self, seed: int) -> "PlannedRun":
        """Returns this run with another seed, from runs of that seed."""
        if not seed:
            return self
        sources = {flag: seeded(source, seed) for flag, source in self.sources.items()}
        return self._replace(
            name=seeded(self.name, seed),
            settings={**self.settings, "seed": seed},
            sources=sources,
        )


def is_pretraining(run: PlannedRun) -> bool:
    """Tells the training of one part, a VAE or a PixelCNN++, from the beginning."""
    return run.stage.startswith("pretrain") and not run.sources
