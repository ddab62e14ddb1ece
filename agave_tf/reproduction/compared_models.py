"""The models that the tables and figures compare, by the names of their runs."""

from typing import Any, NamedTuple

from agave_tf.reproduction.scales import Scale

# Lucas & Verbeek 2018: Figures 3 and 4, and Table 1 for 12.
LAMBDAS = (1, 2, 4, 8, 12)
# Figure 8.
COLOR_LEVELS = (256, 128, 64, 32, 16, 8)


def seeded(name: str, seed: int) -> str:
    """Returns the name of the run with this seed; that of seed 0 has none."""
    return f"{name}_seed_{seed}" if seed else name


def lambda_run(weight: int) -> str:
    """Returns the name of the joint run with this lambda."""
    return f"joint_lambda_{weight}"


def main_run(scale: Scale) -> str:
    """Returns the name of the joint run that stands for AGAVE where one is shown."""
    return lambda_run(scale.main_lambda)


def levels_run(levels: int, scale: Scale) -> str:
    """Returns the name of the joint run whose y has this number of colour levels."""
    return main_run(scale) if levels == 256 else f"joint_levels_{levels}"


def full_size(scale: Scale) -> dict[int, str]:
    """Returns the runs whose y has the size of x, by its number of colour levels."""
    return {levels: levels_run(levels, scale) for levels in COLOR_LEVELS}


def reduced_run(factor: int, scale: Scale) -> str:
    """Returns the name of the joint run whose y is smaller by this factor."""
    return f"joint_levels_{scale.reduced_levels}_downsampled_{factor}"


def auxiliaries(scale: Scale) -> dict[str, str]:
    """Returns the runs with other auxiliary images, by their name in Figure 9."""
    reduced = f"{scale.reduced_levels} levels"
    return {
        "gray, 16 levels": "joint_gray_16",
        "32 levels": levels_run(32, scale),
        f"{reduced}, half size": reduced_run(2, scale),
        f"{reduced}, quarter size": reduced_run(4, scale),
    }


# Table 1.
TABLE1 = {
    "VAE-IAF alone": "pretrain_vae",
    "PixelCNN++ alone, before joint training": "pretrain_pixel_cnn",
    "PixelCNN++ alone, as many steps as AGAVE's": "longer_pixel_cnn",
    f"AGAVE, lambda {LAMBDAS[-1]}": lambda_run(LAMBDAS[-1]),
}
FIGURE2 = {
    "VAE": "pretrain_vae",
    "PixelCNN++": "pretrain_pixel_cnn",
    "AGAVE": lambda_run(LAMBDAS[-1]),
}
# Runs that continue the main run: without the auxiliary loss, and with it for as many
# steps.
ABLATION, CONTROL = "ablation", "control"


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


def probed_runs(scale: Scale) -> list[ProbedRun]:
    """Returns the runs that are probed, in the order of the table."""
    scratch = [
        ProbedRun(
            f"from scratch, {baseline.title}", baseline.run, baseline is WITH_LOSS
        )
        for baseline in BASELINES
    ]
    return [
        ProbedRun("VAE alone", "pretrain_vae", True),
        *(
            ProbedRun(f"AGAVE, lambda {weight}", lambda_run(weight), True)
            for weight in (1, scale.main_lambda, 12)
        ),
        ProbedRun("its control", CONTROL, True),
        ProbedRun("its ablation", ABLATION, False),
        *scratch,
    ]


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
