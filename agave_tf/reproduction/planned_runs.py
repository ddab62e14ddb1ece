"""The training runs that the tables and figures are made from, by name."""

from typing import Any, NamedTuple

# Lucas & Verbeek 2018: Figures 3 and 4, and Table 1 for 12.
LAMBDAS = (1, 2, 4, 8, 12)
# Figure 8.
COLOR_LEVELS = (256, 128, 64, 32, 16, 8)
# Lambda of the figures that show one model, or several auxiliary images. Ours; the
# paper takes 8 in Figures 5 and 8.
MAIN_LAMBDA = 4
SEEDS = (0, 1)


def lambda_run(weight: int) -> str:
    """Returns the name of the joint run with this lambda."""
    return f"joint_lambda_{weight}"


def levels_run(levels: int) -> str:
    """Returns the name of the joint run whose y has this number of colour levels."""
    return MAIN if levels == 256 else f"joint_levels_{levels}"


def after_joint_run(kind: str, seed: int) -> str:
    """Returns the name of the ablation or the control with this seed."""
    return f"{kind}_seed_{seed}"


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
    ProbedRun("its control", after_joint_run(CONTROL, 0), True),
    ProbedRun("its ablation", after_joint_run(ABLATION, 0), False),
    *(ProbedRun(f"from scratch, {b.title}", b.run, b is WITH_LOSS) for b in BASELINES),
)


class PlannedRun(NamedTuple):
    """A run: a stage, its differences from the scale's preset, and its sources.

    name: its directory.
    stage: the stage it trains.
    settings: values that differ from the preset, by flag.
    sources: names of the planned runs it starts from, by flag.
    steps_of: stages of the preset whose numbers of steps add up to the run's own;
      empty: its own stage.
    annealed_share: share of its steps during which the weight of the KL rises.
    """

    name: str
    stage: str
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    steps_of: tuple[str, ...] = ()
    annealed_share: float = 0.0


def planned_runs() -> dict[str, PlannedRun]:
    """Returns every run by name; each comes after the runs it starts from."""
    runs = [
        PlannedRun("pretrain_vae", "pretrain_vae"),
        PlannedRun("pretrain_pixel_cnn", "pretrain_pixel_cnn"),
        # The PixelCNN++ without z, trained for as many steps as both stages of AGAVE.
        PlannedRun(
            "longer_pixel_cnn",
            "pretrain_pixel_cnn",
            steps_of=("pretrain_pixel_cnn", "joint"),
        ),
        *(_joint(f"lambda_{weight}", kl_weight=weight) for weight in LAMBDAS),
    ]
    for seed in SEEDS:
        runs += _after_joint(seed)
    for levels in COLOR_LEVELS[1:]:
        runs += _auxiliary(f"levels_{levels}", num_color_levels=levels)
    runs += _auxiliary("gray_16", auxiliary_color="gray", num_color_levels=16)
    for factor in (2, 4):
        settings = {"auxiliary_downsampling": factor, "num_color_levels": 32}
        runs += _auxiliary(f"levels_32_downsampled_{factor}", **settings)
    runs += [_from_scratch(baseline) for baseline in BASELINES]
    return {run.name: run for run in runs}


def _joint(name: str, vae: str = "pretrain_vae", **settings: Any) -> PlannedRun:
    sources = {"init_vae_from": vae, "init_pixel_cnn_from": "pretrain_pixel_cnn"}
    return PlannedRun(f"joint_{name}", "joint", settings, sources)


def _auxiliary(name: str, **settings: Any) -> list[PlannedRun]:
    """A VAE with another auxiliary image, and the joint run that starts from it."""
    vae = PlannedRun(f"pretrain_vae_{name}", "pretrain_vae", settings)
    return [vae, _joint(name, vae.name, kl_weight=MAIN_LAMBDA, **settings)]


def _after_joint(seed: int) -> list[PlannedRun]:
    """The ablation, and its control with as many steps and the auxiliary loss."""
    source = {"init_from": MAIN}
    return [
        PlannedRun(after_joint_run(ABLATION, seed), "ablation", {"seed": seed}, source),
        PlannedRun(
            after_joint_run(CONTROL, seed),
            "joint",
            {"seed": seed, "kl_weight": MAIN_LAMBDA},
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
