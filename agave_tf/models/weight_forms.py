"""Compares the weights in a file with a network, before they are given memory."""

import functools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agave_tf.checked_npz import ArrayForm
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.settings.config import IAFVAEConfig, ModelConfig, PixelCNNConfig
from agave_tf.weights.named_weights import check_forms, named_weights
from agave_tf.weights.skeletons import without_weights

# Ten times the paper's model; 4 GiB.
_MOST_WEIGHTS = 2**30


class Network(NamedTuple):
    """A kind of model, and the arguments that make one."""

    model_class: type[ImageModel]
    config: ModelConfig
    image_shape: tuple[int, int, int]

    def make(self) -> ImageModel:
        """Makes the model, with weights as first drawn."""
        return self.model_class(self.config, self.image_shape)


def check_weights(
    found: Mapping[str, ArrayForm], network: Network, source: str
) -> None:
    """Checks that weights are those of a network, which need not be made for it.

    Args:
      found: their forms by name.
      network: the network.
      source: the file that they are in, for messages.

    Raises:
      InputError: a weight is missing, has another shape or type, or is unknown; or the
        network is larger than a file of a run can say.
    """
    least = least_num_weights(network)
    count = sum(math.prod(form.shape) for form in found.values())
    # Otherwise a file of some bytes could ask for a network that fills the memory.
    if not least <= count:
        raise InputError(
            f"{source} must have at least {least} weights for the settings of its run; "
            f"it has {count}."
        )
    if count > _MOST_WEIGHTS:
        raise InputError(
            f"{source} must have at most {_MOST_WEIGHTS} weights; it has {count}."
        )
    check_forms(found, _weight_forms(_architecture(network)), source)


def check_size(network: Network) -> None:
    """Raises InputError for a network whose weights a run could not be opened with."""
    least = least_num_weights(network)
    if least > _MOST_WEIGHTS:
        raise InputError(
            "`hidden_channels`, `num_layers_per_resolution`, `num_filters` and "
            f"`num_resnets` must make a network of at most {_MOST_WEIGHTS} weights; "
            f"got at least {least}."
        )


def least_num_weights(network: Network) -> int:
    """A lower bound of the number of weights: those of the large kernels alone."""
    config, networks = network.config, network.model_class.settings
    in_vae = _in_vae(config.vae) if "vae" in networks else 0
    return in_vae + (_in_pixel_cnn(config.pixel_cnn) if "pixel_cnn" in networks else 0)


def _in_vae(config: IAFVAEConfig) -> int:
    """The 3x3 kernels of all levels (layers/iaf_ladder_layer.py)."""
    h, z = config.hidden_channels, config.z_channels
    context = h if config.use_iaf else 0
    flow = 3 * z * h + h * h if config.use_iaf else 0
    up = h * (2 * z + context + h) + h * h
    down = h * (4 * z + context + h) + (h + z) * h
    num_levels = config.num_resolutions * config.num_layers_per_resolution
    return num_levels * 9 * (up + down + flow)


def _in_pixel_cnn(config: PixelCNNConfig) -> int:
    """The two kernels of each stream, 2x3 and 2x2, of all resnets."""
    doubled = 2 if config.nonlinearity == "concat_elu" else 1
    filters, resolutions = config.num_filters, config.num_pixel_cnn_resolutions
    pair = (6 + 4) * (doubled * filters) * (filters + 2 * filters)
    num_pairs = config.num_resnets * 2 * resolutions + resolutions - 1
    return num_pairs * pair


def _architecture(network: Network) -> Network:
    """The network with the settings alone that its weights depend on."""
    own = ("auxiliary", "vae", "pixel_cnn")
    config = ModelConfig(**{name: getattr(network.config, name) for name in own})
    return network._replace(config=config)


@functools.lru_cache(maxsize=16)
def _weight_forms(network: Network) -> dict[str, ArrayForm]:
    """The form of every weight by name; making a skeleton takes up to some seconds."""
    skeleton = without_weights(network.make)
    return {
        name: ArrayForm(tuple(variable.shape), np.dtype(variable.dtype))
        for name, variable in named_weights(skeleton).items()
    }
