"""AGAVE: Auxiliary Guided Autoregressive Variational Autoencoders in TensorFlow 2.

Lucas & Verbeek, ECML-PKDD 2018. The rooms of the package, each of which imports only
those before it:

    settings       settings of runs, evaluations and pictures; each is one flag
    arithmetic     floats, and fixed-point numbers that all machines agree on
    weights        the weights of a network: names, one vector, arguments, skeletons
    data           data sets -> uint8 images [N,H,W,C] -> batches
    distributions  discretized logistic, and the mixture of them
    layers         convolutions, causal streams, gated resnets, IAF ladder layers
    models         the auxiliary image, IAF-VAE and PixelCNN++; alone, and as AGAVE
    sampling       drawing images pixel by pixel
    evaluation     bits/dim, the importance-weighted bound, the linear probe
    codec          images to bytes and back, with the model as the code
    pictures       rows and grids of images
    runs           run directories, checkpoints, scores
    training       the training step and loop, devices, gradients, averages
    interop        SavedModels, checkpoints of openai/pixel-cnn and openai/iaf
    benchmarks     time and memory of training, evaluation, input, sampling and coding
    reproduction   the paper's tables and figures
    commands       the command lines

The walk of an image through them, from a data set to a picture:

    data/load -> data/prepare -> data/read_source -> data/batches ->
    models/auxiliary_image -> models/iaf_vae -> models/conditional_pixel_cnn ->
    models/agave -> models/objective ->
    training/gradient -> training/train_step -> training/train_loop ->
    runs/run_directory -> evaluation/evaluator -> sampling/cached ->
    sampling/draw_images -> sampling/sampler -> pictures/rows -> pictures/grid

In Python, a trained run is used like this:

    import agave_tf

    model = agave_tf.load_run("runs/small/joint")
    sampler = agave_tf.Sampler(model, agave_tf.SamplingSettings(seed=0))
    drawn = sampler.prior(num_images=4)  # drawn.f_z, drawn.images
"""

import importlib
import os
import sys
from typing import Any

__version__ = "0.2.0"

# TensorFlow reads it when it is imported. By itself it takes oneDNN's convolutions only
# on CPUs with AVX512-VNNI, BF16 or AMX, though with AVX2 alone too they train 2 to 3
# times as fast as its own (docs/speed.md, Training). The user's own setting wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Keras reads it when it is imported; otherwise the user's keras.json would choose.
os.environ["KERAS_BACKEND"] = "tensorflow"
if "keras" in sys.modules and sys.modules["keras"].config.backend() != "tensorflow":
    raise ImportError(
        "agave_tf needs Keras's TensorFlow backend; Keras was imported before with "
        f"{sys.modules['keras'].config.backend()}. Import agave_tf first."
    )

# Imported at first use: most of them import TensorFlow, which takes seconds.
_HOMES = {
    "STAGES": "agave_tf.runs.stages",
    "Codec": "agave_tf.codec.codec",
    "CodecSettings": "agave_tf.settings.coding",
    "Config": "agave_tf.settings.config",
    "DataConfig": "agave_tf.settings.data",
    "Evaluator": "agave_tf.evaluation.evaluator",
    "InputError": "agave_tf.errors",
    "Sampler": "agave_tf.sampling.sampler",
    "SamplingSettings": "agave_tf.sampling.drawn",
    "config_from_settings": "agave_tf.settings.config",
    "load_data": "agave_tf.data.load",
    "load_run": "agave_tf.runs.open_run",
    "open_run": "agave_tf.runs.open_run",
    "read_images": "agave_tf.data.in_python",
    "summarize": "agave_tf.evaluation.image_scores",
    "train_stage": "agave_tf.training.train_stage",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Imports what the package offers at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
