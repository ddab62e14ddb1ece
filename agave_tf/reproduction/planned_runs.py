"""The training runs that the tables and figures are made from, by name.

Most are trained with several seeds, so that what a seed changes can be told from what
a setting changes. A run of one seed starts from runs of the same seed.
"""

from typing import Any, NamedTuple

from agave_tf.reproduction.compared_models import (
    ABLATION,
    BASELINES,
    COLOR_LEVELS,
    CONTROL,
    CURVES,
    LAMBDAS,
    LONG_RUNS,
    LONGER_BY,
    TABLE1,
    Baseline,
    LongRun,
    main_run,
    seeded,
)
from agave_tf.reproduction.scales import Scale


class PlannedRun(NamedTuple):
    """A run: a stage, its differences from the scale's preset, and its sources.

    name: its directory.
    stage: the stage it trains.
    settings: values that differ from the preset, by flag.
    sources: names of the planned runs it starts from, by flag.
    steps_of: stages of the preset whose numbers of steps add up to the run's own;
      empty: its own stage.
    steps_factor: multiplies that number.
    has_seeds: whether it is trained with all seeds of the scale; else with one.
    annealed_share: share of its steps during which the weight of the KL rises.
    num_evaluations: how often its held-out images are scored on the way; 0: as the
      preset says.
    preset: name of its flag file; empty: the scale's.
    """

    name: str
    stage: str
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    steps_of: tuple[str, ...] = ()
    steps_factor: int = 1
    has_seeds: bool = True
    annealed_share: float = 0.0
    num_evaluations: int = 0
    preset: str = ""

    def num_seeds(self, scale: Scale) -> int:
        """Returns the number of its trainings; their seeds are 0, 1 and so on."""
        if not self.has_seeds:
            return 1
        more = scale.more_for_table1 if self.name in TABLE1.values() else 0
        return scale.num_seeds + more

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


def planned_runs(scale: Scale) -> dict[str, PlannedRun]:
    """Returns the run of seed 0 by name; each comes after the runs it starts from."""
    runs = [
        PlannedRun("pretrain_vae", "pretrain_vae"),
        PlannedRun("pretrain_pixel_cnn", "pretrain_pixel_cnn"),
        # The PixelCNN++ without z goes on for as many steps as AGAVE's joint stage.
        PlannedRun(
            "longer_pixel_cnn",
            "pretrain_pixel_cnn",
            sources={"init_pixel_cnn_from": "pretrain_pixel_cnn"},
            steps_of=("joint",),
        ),
        *(_joint(f"lambda_{weight}", kl_weight=weight) for weight in LAMBDAS),
    ]
    runs += _after_joint(scale)
    for name, settings in _auxiliary_images(scale).items():
        runs += _auxiliary(name, scale.main_lambda, settings)
    runs += [_from_scratch(baseline) for baseline in BASELINES]
    runs += [_long(run) for run in LONG_RUNS]
    runs += [
        PlannedRun(name, stage, preset="learning_curves.flags")
        for stage, name in CURVES.items()
    ]
    return {run.name: run for run in runs}


def _joint(name: str, vae: str = "pretrain_vae", **settings: Any) -> PlannedRun:
    sources = {"init_vae_from": vae, "init_pixel_cnn_from": "pretrain_pixel_cnn"}
    return PlannedRun(f"joint_{name}", "joint", settings, sources)


def _auxiliary_images(scale: Scale) -> dict[str, dict[str, Any]]:
    """The settings of the auxiliary images of Figures 8 and 9, by name."""
    levels = scale.reduced_levels
    return {
        **{f"levels_{n}": {"num_color_levels": n} for n in COLOR_LEVELS[1:]},
        "gray_16": {"auxiliary_color": "gray", "num_color_levels": 16},
        **{
            f"levels_{levels}_downsampled_{factor}": {
                "auxiliary_downsampling": factor,
                "num_color_levels": levels,
            }
            for factor in (2, 4)
        },
    }


def _auxiliary(name: str, kl_weight: int, settings: dict[str, Any]) -> list[PlannedRun]:
    """A VAE with another auxiliary image, and the joint run that starts from it."""
    vae = PlannedRun(f"pretrain_vae_{name}", "pretrain_vae", settings)
    return [vae, _joint(name, vae.name, kl_weight=kl_weight, **settings)]


def _after_joint(scale: Scale) -> list[PlannedRun]:
    """The ablation, and its control with as many steps and the auxiliary loss."""
    source = {"init_from": main_run(scale)}
    return [
        PlannedRun(ABLATION, "ablation", {}, source),
        PlannedRun(
            CONTROL,
            "joint",
            {"kl_weight": scale.main_lambda},
            source,
            steps_of=("ablation",),
        ),
    ]


def _from_scratch(baseline: Baseline) -> PlannedRun:
    """A joint run with as many steps as the PixelCNN++ alone."""
    return PlannedRun(
        baseline.run,
        "joint",
        {"kl_weight": 1, "auxiliary_weight": 0, **baseline.settings},
        steps_of=("pretrain_pixel_cnn",),
        annealed_share=baseline.annealed_share,
    )


def _long(run: LongRun) -> PlannedRun:
    """A run from the pretrained parts, at a constant learning rate to the end."""
    sources = {"init_pixel_cnn_from": "pretrain_pixel_cnn"}
    if run.stage == "joint":
        sources = {"init_vae_from": "pretrain_vae", **sources}
    return PlannedRun(
        run.run,
        run.stage,
        {**run.settings, "cooldown_steps": 0, "evaluate_images": 512},
        sources,
        steps_of=("joint",),
        steps_factor=LONGER_BY,
        has_seeds=False,
        num_evaluations=2 * LONGER_BY,
    )
