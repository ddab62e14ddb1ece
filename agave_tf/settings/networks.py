"""Settings of the networks: the auxiliary image, the VAE and the PixelCNN++.

Widths and depths have upper bounds, far above any network that has been trained, so
that a run of a stranger cannot ask for one that fills the memory.
"""

import dataclasses
from typing import ClassVar

from agave_tf.settings.setting import (
    Settings,
    at_least,
    below,
    between,
    divides,
    one_of,
    setting,
)


@dataclasses.dataclass(frozen=True)
class AuxiliaryConfig(Settings):
    """The auxiliary image y that f(z) must reconstruct (paper section 3, Eq. 10)."""

    title: ClassVar[str] = "Auxiliary image"

    auxiliary_downsampling: int = setting(
        1,
        "Factor by which the height and width of the auxiliary image y are smaller "
        "than those of x; y is an average over areas of x.",
        one_of(1, 2, 4),
    )
    auxiliary_color: str = setting(
        "rgb",
        "Colours of the auxiliary image y. rgb: those of x; gray: one channel.",
        one_of("rgb", "gray"),
    )
    num_color_levels: int = setting(
        256,
        "Intensity levels of each channel of the auxiliary image y.",
        divides(256),
        at_least(2),
    )
    open_tails: bool = setting(
        True,
        "Give the darkest and the brightest level the tails of the logistic "
        "distribution, so that the probabilities of all levels sum to one. "
        "--noopen_tails: Eq. 10 as printed, and as in openai/iaf.",
        may_differ=True,
    )


@dataclasses.dataclass(frozen=True)
class IAFVAEConfig(Settings):
    """The VAE with inverse autoregressive flow (Kingma et al. 2016).

    Defaults: Lucas & Verbeek section 4.1 (1 resolution, 20 layers, 160 hidden
    channels, 32 latent channels).
    """

    title: ClassVar[str] = "VAE"

    hidden_channels: int = setting(
        160, "Channels of the VAE's deterministic features (h_size).", between(1, 4096)
    )
    z_channels: int = setting(
        32, "Channels of the latent variables at each level (z_size).", between(1, 4096)
    )
    num_resolutions: int = setting(
        1,
        "Resolutions of the VAE. The first has half the height and width of the "
        "image, each further one half of the one before.",
        between(1, 8),
    )
    num_layers_per_resolution: int = setting(
        20,
        "Levels of latent variables at each resolution.",
        between(1, 200),
        main=True,
    )
    vae_initialization: str = setting(
        "residuals",
        "The first weights of the VAE. residuals: data-dependent, with the scale of "
        "p(y|z) that the residuals of f(z) have; openai: as openai/iaf, where it is "
        "256 levels and takes a thousand steps to fall.",
        one_of("residuals", "openai"),
        may_differ=True,
    )
    use_iaf: bool = setting(
        True,
        "Transform the posterior of each level by one step of inverse autoregressive "
        "flow. --nouse_iaf: leave it a diagonal Gaussian.",
    )
    kl_min: float = setting(
        0.0,
        "Free bits: the KL of a latent channel, in nats for each level, costs nothing "
        "below this value. 0: no free bits.",
        at_least(0),
        may_differ=True,
    )


@dataclasses.dataclass(frozen=True)
class PixelCNNConfig(Settings):
    """The PixelCNN++ (Salimans et al. 2017); defaults of openai/pixel-cnn train.py."""

    title: ClassVar[str] = "PixelCNN++"

    num_resnets: int = setting(
        5, "Gated resnets in each stage of the PixelCNN++.", between(1, 50)
    )
    num_pixel_cnn_resolutions: int = setting(
        3,
        "Resolutions of the PixelCNN++, each half of the one before. With 1, a pixel "
        "depends on a small neighbourhood only, as in the decoder of Chen et al. 2017 "
        "(Lossy VAE).",
        one_of(1, 2, 3),
    )
    num_filters: int = setting(
        160,
        "Filters of every layer of the PixelCNN++.",
        between(1, 4096),
        main=True,
    )
    num_mixtures: int = setting(
        10, "Logistic distributions in the mixture of each pixel.", between(1, 1000)
    )
    dropout_rate: float = setting(
        0.5,
        "Share of the features that dropout sets to zero inside each gated resnet.",
        at_least(0),
        below(1),
        may_differ=True,
    )
    nonlinearity: str = setting(
        "concat_elu",
        "Activation function of the PixelCNN++. concat_elu: ELU of x and of -x.",
        one_of("concat_elu", "elu", "relu"),
    )
    num_classes: int = setting(
        0,
        "Classes of the data set, whose labels are 0..num_classes-1; the PixelCNN++ is "
        "conditioned on an image's label. 0: not conditioned.",
        between(0, 100_000),
    )
