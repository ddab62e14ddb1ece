"""The runs that the tables and figures are made of, by name."""

from typing import Any, NamedTuple

LAMBDAS = (1, 2, 4, 8, 12)
COLOR_LEVELS = (256, 128, 64, 32, 16, 8)
# lambda of the figures that show one model, or several of other auxiliary images.
MAIN_LAMBDA = 4
MAIN = f"joint_lambda_{MAIN_LAMBDA}"
SEEDS = (0, 1)


class PlannedRun(NamedTuple):
    """A run: a stage, how it differs from its scale's preset, and where it starts.

    settings: by flag.
    sources: names of other planned runs, by flag.
    steps_of: stages of the preset whose steps it makes, all together; none: its own.
    """

    name: str
    stage: str
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    steps_of: tuple[str, ...] = ()


def _joint(name: str, vae: str = "pretrain_vae", **settings: Any) -> PlannedRun:
    sources = {"init_vae_from": vae, "init_pixel_cnn_from": "pretrain_pixel_cnn"}
    return PlannedRun(f"joint_{name}", "joint", settings, sources)


def _auxiliary(name: str, **settings: Any) -> list[PlannedRun]:
    """A VAE of another auxiliary image, and the joint model that starts from it."""
    vae = PlannedRun(f"pretrain_vae_{name}", "pretrain_vae", settings)
    return [vae, _joint(name, vae.name, kl_weight=MAIN_LAMBDA, **settings)]


def _after_joint(seed: int) -> list[PlannedRun]:
    """The ablation, and as many steps with the auxiliary loss."""
    source = {"init_from": MAIN}
    return [
        PlannedRun(f"ablation_seed_{seed}", "ablation", {"seed": seed}, source),
        PlannedRun(
            f"control_seed_{seed}",
            "joint",
            {"seed": seed, "kl_weight": MAIN_LAMBDA},
            source,
            steps_of=("ablation",),
        ),
    ]


def planned_runs() -> dict[str, PlannedRun]:
    """Every run by name; each comes after those it starts from."""
    runs = [
        PlannedRun("pretrain_vae", "pretrain_vae"),
        PlannedRun("pretrain_pixel_cnn", "pretrain_pixel_cnn"),
        # What the PixelCNN++ would be like without z after as many steps.
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
    return {run.name: run for run in runs}
