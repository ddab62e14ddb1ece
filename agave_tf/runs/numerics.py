"""The libraries and the precision of products, on which a run's numbers depend."""

import platform

import keras
import numpy as np
import tensorflow as tf
from absl import logging

import agave_tf
from agave_tf.probability import tfp
from agave_tf.settings.training import ComputeConfig

# The first NVIDIA GPUs that have it are of compute capability 8.0, Ampere.
_FIRST_CAPABILITY = 8


def library_versions() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    return {
        "python": platform.python_version(),
        "agave_tf": agave_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "tensorflow_probability": tfp.__version__,
        "numpy": np.__version__,
    }


def use_tensor_float_32(settings: ComputeConfig) -> None:
    """Switches TensorFloat-32 off in this process if the settings do not allow it.

    If they do, nothing is changed. TensorFlow has it on; if the program has switched it
    off, or another run of this process has, it stays off.
    """
    if not settings.tensor_float_32:
        tf.config.experimental.enable_tensor_float_32_execution(False)
    elif tf.config.experimental.tensor_float_32_execution_enabled() and _is_on_gpu():
        logging.log_first_n(
            logging.INFO,
            "This GPU computes products of float32 in TensorFloat-32, with 10 bits of "
            "mantissa; a run that is trained with --notensor_float_32 does not.",
            1,
        )


def _is_on_gpu() -> bool:
    details = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    capabilities = [found.get("compute_capability", (0, 0)) for found in details]
    return any(major >= _FIRST_CAPABILITY for major, _ in capabilities)
