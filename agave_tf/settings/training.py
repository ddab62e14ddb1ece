"""Settings of training: the objective, the optimizer, the schedule, the devices."""

import dataclasses
from typing import ClassVar

from agave_tf.settings.setting import (
    POSITIVE,
    SEED,
    Constraint,
    Settings,
    above,
    at_least,
    below,
    either,
    one_of,
    setting,
)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """The objective and the schedule.

    Adamax with learning rate 0.002 without decay is from the paper's section 4.1; the
    other defaults are ours where their help names no source.
    """

    title: ClassVar[str] = "Objective and length of training"

    kl_weight: float = setting(
        1.0,
        "lambda in Eq. 7: the weight of the KL in the objective of the joint stage. "
        "The other stages use 1.",
        at_least(0),
        main=True,
    )
    auxiliary_weight: float = setting(
        1.0,
        "Weight of the auxiliary loss, ln p(y|z), in the objective of the joint stage. "
        "1: as in Eq. 7; 0: no auxiliary loss.",
        at_least(0),
    )
    kl_annealing_steps: int = setting(
        0,
        "Steps in which the weight of the KL rises from 0 to its final value, in every "
        "stage (Bowman et al. 2016). 0: no annealing, as in the paper.",
        at_least(0),
    )
    pretrain_vae_steps: int = setting(
        10_000,
        "Training steps of the stage pretrain_vae.",
        at_least(0),
        may_change=True,
        main=True,
    )
    pretrain_pixel_cnn_steps: int = setting(
        10_000,
        "Training steps of the stage pretrain_pixel_cnn.",
        at_least(0),
        may_change=True,
        main=True,
    )
    joint_steps: int = setting(
        10_000,
        "Training steps of the stage joint.",
        at_least(0),
        may_change=True,
        main=True,
    )
    ablation_steps: int = setting(
        2_000, "Training steps of the stage ablation.", at_least(0), may_change=True
    )
    batch_size: int = setting(
        16,
        "Images in a training step, on all devices together.",
        at_least(1),
        main=True,
    )
    optimizer: str = setting(
        "adamax",
        "adamax: Adamax, the paper's. muon, ours: Muon (Jordan et al. 2024) for "
        "kernels and Adam for the other weights.",
        one_of("adamax", "muon"),
    )
    learning_rate: float = setting(
        0.002,
        "Learning rate of the optimizer.",
        POSITIVE,
        may_change_midway=True,
        main=True,
    )
    warmup_steps: int = setting(
        100,
        "Steps in which the learning rate rises from 0 to its final value, in every "
        "stage; 0: no warm-up. Ours: the first step of Adamax moves every weight by "
        "the whole learning rate, however small its gradient, which can damage a "
        "pretrained network.",
        at_least(0),
        may_change_midway=True,
    )
    cooldown_steps: int = setting(
        0,
        "Steps at the end of every stage in which the learning rate falls to 0 in a "
        "straight line; 0: none, as in the paper. Ours (Hägele et al. 2024): a longer "
        "training should use it in its last stage.",
        at_least(0),
        may_change_midway=True,
    )
    average_decay: float = setting(
        0.9995,
        "Decay of the moving average of the weights, which evaluation, sampling and "
        "export use. 0: use the weights of the last step.",
        at_least(0),
        below(1),
    )
    seed: int = setting(
        0,
        "Seed of all random numbers of a run. The same seed repeats the run.",
        SEED,
        main=True,
    )
    flip: bool = setting(
        False,
        "Mirror every training image left to right with probability 1/2, another draw "
        "at every step. --noflip: never, as in the paper.",
    )
    num_initialization_images: int = setting(
        64,
        "Training images from which the first scale and bias of every layer are "
        "computed (data-dependent initialisation).",
        at_least(1),
    )
    summary_every: int = setting(
        50,
        "Steps from one entry in the TensorBoard curves to the next.",
        at_least(1),
        may_change=True,
    )
    checkpoint_every: int = setting(
        500, "Steps from one checkpoint to the next.", at_least(1), may_change=True
    )
    keep_checkpoints: int = setting(
        2,
        "Number of the newest checkpoints to keep. With two or more, a run goes on "
        "even if one is damaged.",
        at_least(2),
        may_change=True,
    )
    explosion_factor: float = setting(
        100.0,
        "Skip an update whose gradient's norm is more than this factor times the "
        "geometric mean of earlier norms. Updates that are not finite are always "
        "skipped. 0: skip only those. Ours.",
        either(one_of(0), above(1)),
        may_change_midway=True,
    )
    max_skipped: int = setting(
        20,
        "Stop training after this number of skipped updates in a row.",
        at_least(1),
        may_change=True,
    )
    evaluate_every: int = setting(
        500,
        "Steps from one evaluation on held-out images to the next.",
        at_least(1),
        may_change=True,
    )
    evaluate_images: int = setting(
        256,
        "Held-out images in each evaluation during training; 0: no evaluation.",
        at_least(0),
        may_change=True,
    )
    show_samples: bool = setting(
        True,
        "Let the PixelCNN++ draw pictures at each evaluation, for TensorBoard; this "
        "takes long. --noshow_samples: show f(z) only.",
        may_change=True,
    )


def _is_step_range(text: str) -> bool:
    first, last = _step_range(text)
    return not text or 1 <= first <= last


def _step_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal()):
        return 0, 0
    return int(first), int(last)


@dataclasses.dataclass(frozen=True)
class ComputeConfig(Settings):
    """Precision, compilation and memory of a training step. Ours."""

    title: ClassVar[str] = "Precision, speed and memory"

    compute_dtype: str = setting(
        "float32",
        "Precision of the features. bfloat16 takes half the memory, and is fast on "
        "hardware that supports it. Weights, latent variables, likelihoods and KL are "
        "float32 always.",
        one_of("float32", "bfloat16"),
    )
    tensor_float_32: bool = setting(
        True,
        "Let GPUs that can (NVIDIA, from Ampere on) round the factors of float32 "
        "products to 10 bits of mantissa, TensorFloat-32, as TensorFlow does by "
        "itself: several times as fast. --notensor_float_32: all 23 bits, in training "
        "and wherever the run is used.",
    )
    jit_compile: bool = setting(
        False,
        "Compile the forward and backward pass with XLA.",
        may_change=True,
    )
    steps_per_call: int = setting(
        1,
        "Training steps in each call of the compiled function. Progress and requests "
        "to stop are handled between calls.",
        at_least(1),
        may_change=True,
    )
    accumulate_steps: int = setting(
        1,
        "Micro-batches of equal size into which each device splits its images of a "
        "step (gradient accumulation): the same result with less memory.",
        at_least(1),
        may_change=True,
        main=True,
    )
    recompute: bool = setting(
        False,
        "Recompute the features inside layers in the backward pass, instead of storing "
        "them: less memory, about a third more time.",
        may_change=True,
    )
    profile_steps: str = setting(
        "",
        "Training steps to write a TensorBoard profile of; empty: none.",
        Constraint("be FIRST:LAST, such as 10:20", _is_step_range),
        may_change=True,
    )

    @property
    def profiled_steps(self) -> tuple[int, int]:
        """First and last step to profile; (0, 0) if there is no profile."""
        return _step_range(self.profile_steps)
