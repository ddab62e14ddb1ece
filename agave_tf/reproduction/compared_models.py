"""The models that the tables and figures compare, and the runs that train them."""

from typing import Any, NamedTuple

from agave_tf.reproduction.planned_run import PlannedRun
from agave_tf.reproduction.scales import Scale

# Lucas & Verbeek 2018: Figures 3 and 4, and Table 1 for 12.
LAMBDAS = (1, 2, 4, 8, 12)
# Figure 8.
COLOR_LEVELS = (256, 128, 64, 32, 16, 8)


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


class TitledRun(NamedTuple):
    """A run that one table or figure compares with others.

    title: its name in the table or figure.
    planned: the run, with seed 0.
    """

    title: str
    planned: PlannedRun

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.planned.name


def _scratch(
    title: str, name: str, annealed_share: float = 0.0, **settings: Any
) -> TitledRun:
    """Returns a joint run from scratch with lambda 1, for `baselines`.

    It makes as many steps as the PixelCNN++ alone. By itself it has no auxiliary loss
    and no other remedy against unused latents.
    """
    planned = PlannedRun(
        f"scratch_{name}",
        "joint",
        {"kl_weight": 1, "auxiliary_weight": 0, **settings},
        steps_of=("pretrain_pixel_cnn",),
        annealed_share=annealed_share,
    )
    return TitledRun(title, planned)


WITH_LOSS = _scratch("auxiliary loss", "auxiliary_loss", auxiliary_weight=1)
WITHOUT_LOSS = _scratch("nothing", "nothing")
# Remedies against unused latents that others proposed.
REMEDIES = (
    _scratch("KL annealing", "kl_annealing", annealed_share=2 / 3),
    _scratch("free bits", "free_bits", kl_min=1),
    _scratch(
        "small receptive field", "small_receptive_field", num_pixel_cnn_resolutions=1
    ),
)
BASELINES = (WITH_LOSS, WITHOUT_LOSS, *REMEDIES)


class ProbedRun(NamedTuple):
    """A run whose latents a linear classifier reads.

    title: its name in the table.
    run: its name among the planned runs.
    has_auxiliary_loss: True if it was trained with the auxiliary loss to the end.
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


# The runs of `training_length` make this many times the steps of a joint run.
_LONGER_BY = 5


def _long(title: str, name: str, stage: str, **settings: Any) -> TitledRun:
    """Returns a run of many more steps from the pretrained parts, of one seed.

    Its learning rate is constant to the end.
    """
    sources = {"init_pixel_cnn_from": "pretrain_pixel_cnn"}
    if stage == "joint":
        sources = {"init_vae_from": "pretrain_vae", **sources}
    planned = PlannedRun(
        f"long_{name}",
        stage,
        {**settings, "cooldown_steps": 0, "evaluate_images": 512},
        sources,
        steps_of=("joint",),
        steps_factor=_LONGER_BY,
        has_seeds=False,
        num_evaluations=2 * _LONGER_BY,
    )
    return TitledRun(title, planned)


LONG_PIXEL_CNN = _long("PixelCNN++ alone", "pixel_cnn", "pretrain_pixel_cnn")
LONG_WITHOUT_LOSS = _long(
    "no auxiliary loss", "without_loss", "joint", auxiliary_weight=0, kl_weight=1
)
LONG_LAMBDAS = {
    weight: _long(f"lambda {weight}", f"lambda_{weight}", "joint", kl_weight=weight)
    for weight in (1, 4, 12)
}
LONG_RUNS = (*LONG_LAMBDAS.values(), LONG_WITHOUT_LOSS, LONG_PIXEL_CNN)

# Runs at the settings of the originals, by their stage.
CURVES = {"pretrain_pixel_cnn": "curve_pixel_cnn", "pretrain_vae": "curve_vae"}


def planned_runs(scale: Scale) -> dict[str, PlannedRun]:
    """Returns the runs of seed 0 by name; each comes after the runs it starts from."""
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
        *_after_joint(scale),
    ]
    for name, settings in _auxiliary_images(scale).items():
        vae = PlannedRun(f"pretrain_vae_{name}", "pretrain_vae", settings)
        joint = _joint(name, vae.name, kl_weight=scale.main_lambda, **settings)
        runs += [vae, joint]
    runs += [titled.planned for titled in (*BASELINES, *LONG_RUNS)]
    runs += [
        PlannedRun(name, stage, preset="learning_curves.flags")
        for stage, name in CURVES.items()
    ]
    shown = TABLE1.values()
    return {run.name: run._replace(is_in_table1=run.name in shown) for run in runs}


def _joint(name: str, vae: str = "pretrain_vae", **settings: Any) -> PlannedRun:
    """Returns a joint run that starts from the pretrained parts."""
    sources = {"init_vae_from": vae, "init_pixel_cnn_from": "pretrain_pixel_cnn"}
    return PlannedRun(f"joint_{name}", "joint", settings, sources)


def _after_joint(scale: Scale) -> list[PlannedRun]:
    """Returns the ablation, and its control: as many steps with the auxiliary loss."""
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


def _auxiliary_images(scale: Scale) -> dict[str, dict[str, Any]]:
    """Returns the settings of the auxiliary images of Figures 8 and 9, by name."""
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
