"""The runs that the tables and figures are made of, by name."""

from typing import Any, NamedTuple

LAMBDAS = (1, 2, 4, 8, 12)
COLOR_LEVELS = (256, 128, 64, 32, 16, 8)
# lambda of the figures that show one model, or several of other auxiliary images.
MAIN_LAMBDA = 4
SEEDS = (0, 1)


def lambda_run(weight: int) -> str:
    """Name of the joint run with this lambda."""
    return f"joint_lambda_{weight}"


def levels_run(levels: int) -> str:
    """Name of the joint run with so many colour levels of y."""
    return MAIN if levels == 256 else f"joint_levels_{levels}"


MAIN = lambda_run(MAIN_LAMBDA)
# What a figure calls other auxiliary images, and the runs.
AUXILIARIES = {
    "gray, 16 levels": "joint_gray_16",
    "32 levels": levels_run(32),
    "32 levels, half size": "joint_levels_32_downsampled_2",
    "32 levels, quarter size": "joint_levels_32_downsampled_4",
}
# From scratch, lambda 1: with the auxiliary loss, without, and remedies instead of it.
BASELINES = {
    "auxiliary loss": "scratch_auxiliary_loss",
    "nothing": "scratch_nothing",
    "KL annealing": "scratch_kl_annealing",
    "free bits": "scratch_free_bits",
    "small receptive field": "scratch_small_receptive_field",
}
_BASELINE_SETTINGS: dict[str, dict[str, Any]] = {
    "auxiliary loss": {"auxiliary_weight": 1},
    "nothing": {},
    "KL annealing": {},
    "free bits": {"kl_min": 1},
    "small receptive field": {"num_pixel_cnn_resolutions": 1},
}
# Models whose latents are probed, and whether they have the auxiliary loss to the end.
PROBED = {
    "VAE alone": ("pretrain_vae", True),
    "AGAVE, lambda 1": (lambda_run(1), True),
    f"AGAVE, lambda {MAIN_LAMBDA}": (MAIN, True),
    "AGAVE, lambda 12": (lambda_run(12), True),
    "its control": ("control_seed_0", True),
    "its ablation": ("ablation_seed_0", False),
    **{
        f"from scratch, {title}": (name, title == "auxiliary loss")
        for title, name in BASELINES.items()
    },
}


class PlannedRun(NamedTuple):
    """A run: a stage, how it differs from its scale's preset, and where it starts.

    settings: by flag.
    sources: names of other planned runs, by flag.
    steps_of: stages of the preset whose steps it makes, all together; none: its own.
    annealed_share: of its steps, over which the weight of the KL rises.
    """

    name: str
    stage: str
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    steps_of: tuple[str, ...] = ()
    annealed_share: float = 0.0


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


def _baseline(title: str) -> PlannedRun:
    """As many joint steps from scratch as the PixelCNN++ alone makes."""
    settings = {"kl_weight": 1, "auxiliary_weight": 0, **_BASELINE_SETTINGS[title]}
    steps_of = ("pretrain_pixel_cnn",)
    share = 2 / 3 if title == "KL annealing" else 0.0
    return PlannedRun(BASELINES[title], "joint", settings, {}, steps_of, share)


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
    runs += [_baseline(title) for title in BASELINES]
    return {run.name: run for run in runs}
