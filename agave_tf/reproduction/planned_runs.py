"""The training runs that the tables and figures are made from, by name.

Most are trained with several seeds, so that what a seed changes can be told from what
a setting changes. A run of one seed starts from runs of the same seed.
"""

from typing import Any, NamedTuple

# Lucas & Verbeek 2018: Figures 3 and 4, and Table 1 for 12.
LAMBDAS = (1, 2, 4, 8, 12)
# Figure 8.
COLOR_LEVELS = (256, 128, 64, 32, 16, 8)
# Lambda of the figures that show one model, or several auxiliary images. Ours; the
# paper takes 8 in Figures 5 and 8.
MAIN_LAMBDA = 4


def seeded(name: str, seed: int) -> str:
    """Returns the name of the run with this seed; that of seed 0 has none."""
    return f"{name}_seed_{seed}" if seed else name


def lambda_run(weight: int) -> str:
    """Returns the name of the joint run with this lambda."""
    return f"joint_lambda_{weight}"


def levels_run(levels: int) -> str:
    """Returns the name of the joint run whose y has this number of colour levels."""
    return MAIN if levels == 256 else f"joint_levels_{levels}"


MAIN = lambda_run(MAIN_LAMBDA)
# Runs that continue `MAIN`: without the auxiliary loss, and with it for as many steps.
ABLATION, CONTROL = "ablation", "control"
# Runs with other auxiliary images, by their name in Figure 9. Ours: the reduced sizes
# have 32 colour levels, where the paper has 256, so that only the size is compared.
AUXILIARIES = {
    "gray, 16 levels": "joint_gray_16",
    "32 levels": levels_run(32),
    "32 levels, half size": "joint_levels_32_downsampled_2",
    "32 levels, quarter size": "joint_levels_32_downsampled_4",
}


class Baseline(NamedTuple):
    """A joint run from scratch with lambda 1.

    title: its name in the figure.
    run: its name among the planned runs.
    settings: how it differs from a run without auxiliary loss and without a remedy.
    annealed_share: share of its steps during which the weight of the KL rises.
    """

    title: str
    run: str
    settings: dict[str, Any] = {}
    annealed_share: float = 0.0


WITH_LOSS = Baseline(
    "auxiliary loss", "scratch_auxiliary_loss", {"auxiliary_weight": 1}
)
WITHOUT_LOSS = Baseline("nothing", "scratch_nothing")
# Remedies against unused latents that others proposed.
REMEDIES = (
    Baseline("KL annealing", "scratch_kl_annealing", annealed_share=2 / 3),
    Baseline("free bits", "scratch_free_bits", {"kl_min": 1}),
    Baseline(
        "small receptive field",
        "scratch_small_receptive_field",
        {"num_pixel_cnn_resolutions": 1},
    ),
)
BASELINES = (WITH_LOSS, WITHOUT_LOSS, *REMEDIES)


class ProbedRun(NamedTuple):
    """A run whose latents a linear classifier reads.

    title: its name in the table.
    run: its name among the planned runs.
    has_auxiliary_loss: whether it was trained with the auxiliary loss to the end.
    """

    title: str
    run: str
    has_auxiliary_loss: bool


PROBED = (
    ProbedRun("VAE alone", "pretrain_vae", True),
    *(
        ProbedRun(f"AGAVE, lambda {weight}", lambda_run(weight), True)
        for weight in (1, MAIN_LAMBDA, 12)
    ),
    ProbedRun("its control", CONTROL, True),
    ProbedRun("its ablation", ABLATION, False),
    *(ProbedRun(f"from scratch, {b.title}", b.run, b is WITH_LOSS) for b in BASELINES),
)


class LongRun(NamedTuple):
    """A run that shows how a model goes on to learn, over many more steps.

    title: its name in the figure.
    run: its name among the planned runs.
    stage: the stage it trains.
    settings: how it differs from the preset.
    """

    title: str
    run: str
    stage: str
    settings: dict[str, Any] = {}


LONG_PIXEL_CNN = LongRun("PixelCNN++ alone", "long_pixel_cnn", "pretrain_pixel_cnn")
LONG_WITHOUT_LOSS = LongRun(
    "no auxiliary loss",
    "long_without_loss",
    "joint",
    {"auxiliary_weight": 0, "kl_weight": 1},
)
LONG_LAMBDAS = {
    weight: LongRun(
        f"lambda {weight}", f"long_lambda_{weight}", "joint", {"kl_weight": weight}
    )
    for weight in (1, 4, 12)
}
LONG_RUNS = (*LONG_LAMBDAS.values(), LONG_WITHOUT_LOSS, LONG_PIXEL_CNN)
# How many times as many steps they make as a joint run.
LONGER_BY = 5


# Runs at the settings of the originals, by their stage.
CURVES = {"pretrain_pixel_cnn": "curve_pixel_cnn", "pretrain_vae": "curve_vae"}


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


def planned_runs() -> dict[str, PlannedRun]:
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
    runs += _after_joint()
    for levels in COLOR_LEVELS[1:]:
        runs += _auxiliary(f"levels_{levels}", num_color_levels=levels)
    runs += _auxiliary("gray_16", auxiliary_color="gray", num_color_levels=16)
    for factor in (2, 4):
        settings = {"auxiliary_downsampling": factor, "num_color_levels": 32}
        runs += _auxiliary(f"levels_32_downsampled_{factor}", **settings)
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


def _auxiliary(name: str, **settings: Any) -> list[PlannedRun]:
    """A VAE with another auxiliary image, and the joint run that starts from it."""
    vae = PlannedRun(f"pretrain_vae_{name}", "pretrain_vae", settings)
    return [vae, _joint(name, vae.name, kl_weight=MAIN_LAMBDA, **settings)]


def _after_joint() -> list[PlannedRun]:
    """The ablation, and its control with as many steps and the auxiliary loss."""
    source = {"init_from": MAIN}
    return [
        PlannedRun(ABLATION, "ablation", {}, source),
        PlannedRun(
            CONTROL,
            "joint",
            {"kl_weight": MAIN_LAMBDA},
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
