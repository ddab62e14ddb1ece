"""Every setting of a run: what it means, where its default comes from, what is allowed.

Each field of a part of `Config` is one setting; command_line.py turns it into the absl
flag of the same name, with the field's help text.
"""

import dataclasses
import json
import math
from typing import Any

from agave_tf.errors import InputError
from agave_tf.settings.image_size import parse_image_size


def setting(default: Any, help_text: str) -> Any:
    """A field of a part of the configuration; its help text is its flag's."""
    return dataclasses.field(default=default, metadata={"help": help_text})


def require(is_met: bool, name: str, requirement: str, value: Any) -> None:
    """Raises InputError unless a setting is as required."""
    if not is_met:
        raise InputError(f"`{name}` must be {requirement}; got {value!r}.")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and in what form."""

    dataset: str = setting(
        "dead_leaves",
        "Images to use: a TFDS name (cifar10, svhn_cropped, mnist, "
        "downsampled_imagenet/32x32, ...), folder:PATH (PNG, JPEG), npz:PATH (uint8 "
        "`images`, or `train` and `test`, [N,H,W,C]), or dead_leaves (embedded, needs "
        "no download).",
    )
    data_dir: str = setting("", "Where TFDS keeps its data; empty: TFDS's own default.")
    image_size: str = setting(
        "",
        "Centre-crop and resize images to this size: 32, or HEIGHTxWIDTH such as "
        "24x32; multiples of 4. Empty: as they are (dead_leaves: 32).",
    )
    image_channels: int = setting(
        0, "1: gray (BT.601 luma), 3: RGB required, 0: as the data set has them."
    )
    corrupt_images: str = setting(
        "refuse", "What to do with an unreadable file of a folder: refuse or skip."
    )

    def __post_init__(self):
        require(self.dataset != "", "dataset", "a data set's name", self.dataset)
        parse_image_size(self.image_size)
        require(
            self.image_channels in (0, 1, 3),
            "image_channels",
            "0, 1 or 3",
            self.image_channels,
        )
        require(
            self.corrupt_images in ("refuse", "skip"),
            "corrupt_images",
            "refuse or skip",
            self.corrupt_images,
        )


@dataclasses.dataclass(frozen=True)
class AuxiliaryConfig:
    """The auxiliary image y that f(z) must reconstruct (paper section 3, Eq. 10)."""

    auxiliary_downsampling: int = setting(
        1,
        "Area-average x by 1, 2 or 4 in each direction to make the auxiliary image y.",
    )
    auxiliary_color: str = setting("rgb", "Colours of y: rgb (as x), or gray.")
    num_color_levels: int = setting(
        256, "Intensity levels of y per channel: a divisor of 256, at least 2."
    )
    open_tails: bool = setting(
        True,
        "The outer levels take the tails of the logistic, so that all levels sum to "
        "one; --noopen_tails is Eq. 10 as printed, and openai/iaf.",
    )

    def __post_init__(self):
        require(
            self.auxiliary_downsampling in (1, 2, 4),
            "auxiliary_downsampling",
            "1, 2 or 4",
            self.auxiliary_downsampling,
        )
        require(
            self.auxiliary_color in ("rgb", "gray"),
            "auxiliary_color",
            "rgb or gray",
            self.auxiliary_color,
        )
        if not 2 <= self.num_color_levels <= 256 or 256 % self.num_color_levels:
            raise InputError(
                "`num_color_levels` must divide 256 and be at least 2; "
                f"got {self.num_color_levels}."
            )


@dataclasses.dataclass(frozen=True)
class IAFVAEConfig:
    """The VAE with inverse autoregressive flow (Kingma et al. 2016).

    Defaults: Lucas & Verbeek section 4.1 (1 resolution, 20 layers, 160 hidden
    channels, 32 latent channels).
    """

    hidden_channels: int = setting(160, "Deterministic channels of the VAE (h_size).")
    z_channels: int = setting(32, "Latent channels of each level (z_size).")
    num_resolutions: int = setting(1, "Resolutions of the VAE, each half the last.")
    num_layers_per_resolution: int = setting(20, "Latent levels at each resolution.")
    use_iaf: bool = setting(
        True, "One inverse-autoregressive step per level; --nouse_iaf: plain Gaussian."
    )
    kl_min: float = setting(
        0.0, "Free bits: nats per latent channel and level below which KL is free."
    )

    def __post_init__(self):
        for name in (
            "hidden_channels",
            "z_channels",
            "num_resolutions",
            "num_layers_per_resolution",
        ):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        require(
            0 <= self.kl_min < math.inf, "kl_min", "at least 0, and finite", self.kl_min
        )


@dataclasses.dataclass(frozen=True)
class PixelCNNConfig:
    """The PixelCNN++ (Salimans et al. 2017); defaults of openai/pixel-cnn train.py."""

    num_resnets: int = setting(5, "Gated resnets per stage of the PixelCNN++.")
    num_pixel_cnn_resolutions: int = setting(
        3,
        "Resolutions of the PixelCNN++, each half the last: 1, 2 or 3. With 1 it sees "
        "a neighbourhood alone, as the decoder of Chen et al. 2017 (Lossy VAE).",
    )
    num_filters: int = setting(160, "Filters of every layer of the PixelCNN++.")
    num_mixtures: int = setting(10, "Logistics in each pixel's mixture.")
    dropout_rate: float = setting(0.5, "Dropout inside each gated resnet.")
    nonlinearity: str = setting("concat_elu", "concat_elu, elu or relu.")
    num_classes: int = setting(
        0, "Condition the PixelCNN++ on the data set's labels, 0..num_classes-1; 0: no."
    )

    def __post_init__(self):
        for name in ("num_resnets", "num_filters", "num_mixtures"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        require(
            self.num_pixel_cnn_resolutions in (1, 2, 3),
            "num_pixel_cnn_resolutions",
            "1, 2 or 3",
            self.num_pixel_cnn_resolutions,
        )
        require(
            0 <= self.dropout_rate < 1,
            "dropout_rate",
            "at least 0 and below 1",
            self.dropout_rate,
        )
        require(
            self.nonlinearity in ("concat_elu", "elu", "relu"),
            "nonlinearity",
            "concat_elu, elu or relu",
            self.nonlinearity,
        )
        require(self.num_classes >= 0, "num_classes", "at least 0", self.num_classes)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How long and with what; Adamax 0.002 without decay is the paper's section 4.1."""

    kl_weight: float = setting(
        1.0,
        "lambda in Eq. 7, the weight of the KL in the joint stage; the other stages "
        "use 1.",
    )
    auxiliary_weight: float = setting(
        1.0,
        "Weight of ln p(y|z) in the joint stage, 1 in Eq. 7; 0: no auxiliary loss.",
    )
    kl_annealing_steps: int = setting(
        0,
        "Steps over which a stage's weight of the KL rises from 0 to its value (Bowman "
        "et al. 2016); 0: none, as in the paper.",
    )
    pretrain_vae_steps: int = setting(10_000, "Optimizer steps of stage pretrain_vae.")
    pretrain_pixel_cnn_steps: int = setting(
        10_000, "Optimizer steps of stage pretrain_pixel_cnn."
    )
    joint_steps: int = setting(10_000, "Optimizer steps of stage joint.")
    ablation_steps: int = setting(2_000, "Optimizer steps of stage ablation.")
    batch_size: int = setting(16, "Images per step, over all replicas together.")
    learning_rate: float = setting(0.002, "Learning rate of Adamax.")
    warmup_steps: int = setting(
        100,
        "Steps over which a stage's learning rate rises to its value; 0: none. Ours: "
        "Adamax's first step moves every weight by the whole learning rate, however "
        "small its gradient, which can wreck a pretrained network.",
    )
    average_decay: float = setting(
        0.9995, "Decay of the averaged weights; 0: use the weights as they are."
    )
    seed: int = setting(0, "The seed from which every random draw of a run follows.")
    num_initialization_images: int = setting(
        64, "Images for data-dependent initialisation."
    )
    summary_every: int = setting(50, "Steps between lines of TensorBoard scalars.")
    checkpoint_every: int = setting(500, "Steps between checkpoints.")
    keep_checkpoints: int = setting(
        2, "The newest so many are kept; at least 2, so that one can be damaged."
    )
    explosion_factor: float = setting(
        100.0,
        "An update is skipped whose gradient is so many times longer than its running "
        "geometric mean, or not finite; 0: only those not finite. Ours.",
    )
    max_skipped: int = setting(
        20, "Training stops after so many skipped updates in a row."
    )
    evaluate_every: int = setting(500, "Steps between evaluations on held-out images.")
    evaluate_images: int = setting(
        256, "Held-out images in an evaluation during training; 0: no such evaluation."
    )
    show_samples: bool = setting(
        True,
        "Whether the pictures that TensorBoard shows of every evaluation are finished "
        "by the PixelCNN++, which takes long; otherwise they are of f(z) alone.",
    )

    def __post_init__(self):
        for name in (
            "pretrain_vae_steps",
            "pretrain_pixel_cnn_steps",
            "joint_steps",
            "ablation_steps",
            "evaluate_images",
            "kl_weight",
            "auxiliary_weight",
            "kl_annealing_steps",
            "warmup_steps",
            "seed",
            "explosion_factor",
        ):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        for name in (
            "batch_size",
            "num_initialization_images",
            "summary_every",
            "checkpoint_every",
            "evaluate_every",
            "max_skipped",
        ):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("kl_weight", "auxiliary_weight"):
            value = getattr(self, name)
            require(math.isfinite(value), name, "a finite number", value)
        require(
            self.keep_checkpoints >= 2,
            "keep_checkpoints",
            "at least 2",
            self.keep_checkpoints,
        )
        require(
            self.explosion_factor == 0 or self.explosion_factor > 1,
            "explosion_factor",
            "0, or above 1",
            self.explosion_factor,
        )
        require(self.seed < 2**31, "seed", "below 2**31", self.seed)
        require(
            0 < self.learning_rate < math.inf,
            "learning_rate",
            "positive and finite",
            self.learning_rate,
        )
        require(
            0 <= self.average_decay < 1,
            "average_decay",
            "at least 0 and below 1",
            self.average_decay,
        )


@dataclasses.dataclass(frozen=True)
class ComputeConfig:
    """How the machine computes what the other parts say; ours."""

    compute_dtype: str = setting(
        "float32",
        "Of features: float32, or bfloat16 (half the memory, fast where the hardware "
        "has it). Variables, latents, likelihood and KL are float32 always.",
    )
    jit_compile: bool = setting(False, "Compile forward and backward pass by XLA.")
    steps_per_call: int = setting(
        1, "Steps between returns to Python, where progress shows and signals are seen."
    )
    accumulate_steps: int = setting(
        1,
        "Portions in which a device takes its share of a batch, to the same result "
        "with less memory; divides batch_size / devices.",
    )
    recompute: bool = setting(
        False,
        "Compute the features inside layers again in the backward pass, rather than "
        "keep them: less memory, about a third more time.",
    )
    profile_steps: str = setting(
        "", "FIRST:LAST, steps to write a TensorBoard profile of; empty: none."
    )

    def __post_init__(self):
        require(
            self.compute_dtype in ("float32", "bfloat16"),
            "compute_dtype",
            "float32 or bfloat16",
            self.compute_dtype,
        )
        for name in ("steps_per_call", "accumulate_steps"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        if self.profile_steps:
            first, last = self.profiled_steps
            require(
                1 <= first <= last,
                "profile_steps",
                "FIRST:LAST, such as 10:20",
                self.profile_steps,
            )

    @property
    def profiled_steps(self) -> tuple[int, int]:
        """First and last step to profile; (0, 0) for none and for what is no range."""
        first, _, last = self.profile_steps.partition(":")
        if not (first.isdecimal() and last.isdecimal()):
            return 0, 0
        return int(first), int(last)


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything a run is made from; a run directory keeps it as config.json."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    auxiliary: AuxiliaryConfig = dataclasses.field(default_factory=AuxiliaryConfig)
    vae: IAFVAEConfig = dataclasses.field(default_factory=IAFVAEConfig)
    pixel_cnn: PixelCNNConfig = dataclasses.field(default_factory=PixelCNNConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    compute: ComputeConfig = dataclasses.field(default_factory=ComputeConfig)

    def __post_init__(self):
        require(
            self.compute.accumulate_steps == 1 or self.vae.kl_min == 0,
            "accumulate_steps",
            "1 with free bits (--kl_min), which look at the whole batch",
            self.compute.accumulate_steps,
        )


PARTS: dict[str, type] = {
    field.name: field.default_factory for field in dataclasses.fields(Config)
}


def config_from_settings(settings: dict[str, Any]) -> Config:
    """Config from a flat {setting: value}; what is not named keeps its default."""
    remaining = dict(settings)
    parts = {}
    for part_name, part in PARTS.items():
        names = [field.name for field in dataclasses.fields(part)]
        parts[part_name] = part(
            **{name: remaining.pop(name) for name in names if name in remaining}
        )
    if remaining:
        raise InputError(f"No such setting: `{sorted(remaining)[0]}`.")
    return Config(**parts)


def config_to_json(config: Config) -> str:
    """The text of config.json."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def config_from_json(text: str) -> Config:
    """The Config written by `config_to_json`.

    Raises:
      InputError: not such a text, or with settings that do not exist or cannot be.
    """
    try:
        parts = json.loads(text)
        return config_from_settings(
            {name: value for part in parts.values() for name, value in part.items()}
        )
    except (json.JSONDecodeError, AttributeError, TypeError) as error:
        raise InputError(f"Not a configuration of agave_tf: {error}.") from error
