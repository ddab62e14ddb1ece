"""Writes the model card of an exported model: its kind, origin, use and limits.

Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from agave_tf.interop.card_facts import (
    likelihood_lines,
    training_lines,
    versions_text,
)
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel

Functions = Mapping[str, tf.types.experimental.ConcreteFunction]

# At the top of the SavedModel; TensorFlow reads only the files it knows.
CARD_FILE = "README.md"

_PARTS = {
    AGAVE: "AGAVE: a latent-variable model (IAF-VAE) for the global structure "
    "of an image, and a PixelCNN++ that finishes an image from its output f(z), "
    "trained together.",
    VAEModel: "An IAF-VAE alone: its images f(z) are those of the auxiliary image "
    "y, which lacks the detail that a PixelCNN++ would add.",
    PixelCNNModel: "A PixelCNN++ alone: it draws an image pixel by pixel and has no "
    "latent variables.",
}
_USE_OF_RUN = """\
This is a run directory of agave_tf, without the checkpoints that going on with the same
run would need. In this directory:

    bin/sample.py --run_dir=. --mode=prior --output=samples.png
    bin/evaluate.py --run_dir=. --num_importance_samples=16
    bin/train.py --stage=joint --init_from=. --run_dir=NEW ...

`agave_tf.load_run(".")` gives the model in Python. Scores are in bits/dim:
evaluation_SPLIT.json has the means, with all that they depend on,
evaluation_SPLIT_images.npz those of every image, and curve.csv those of held-out images
during training."""
_CITATION = """\
@inproceedings{lucas2018auxiliary,
  title = {Auxiliary Guided Autoregressive Variational Autoencoders},
  author = {Lucas, Thomas and Verbeek, Jakob},
  booktitle = {ECML-PKDD},
  year = {2018}
}"""


def model_card(
    model: ImageModel, description: dict[str, Any], functions: Functions
) -> str:
    """The card of a SavedModel as text in Markdown.

    Args:
      model: the exported model.
      description: the content of assets.extra/agave_tf.json. A fact of `about_run`
        that it lacks is shown as not recorded.
      functions: the graphs of the signatures.
    """
    use = {
        "Signatures": "B is the number of images; images are levels 0 to 255; f(z) is "
        f"on -1 to 1.\n\n{_signature_table(functions)}",
        "Use": _use(model),
    }
    settings = "assets.extra/agave_tf.json and in the signature `describe`"
    return _card(model, description, use, settings)


def run_card(model: ImageModel, description: dict[str, Any]) -> str:
    """The card of a run directory as text in Markdown.

    Args:
      model: the run's model.
      description: the facts of `about_run`, `settings` and `versions`.
    """
    return _card(model, description, {"Use": _USE_OF_RUN}, "config.json")


def _card(
    model: ImageModel, description: dict[str, Any], use: dict[str, str], settings: str
) -> str:
    """A card with these sections about its use.

    Args:
      model: the model.
      description: the facts, as `model_card` takes them.
      use: text by title.
      settings: the file that holds the settings.
    """
    size = "x".join(str(length) for length in model.image_shape)
    num_weights = sum(int(np.prod(weight.shape)) for weight in model.weights)
    sections = {
        f"A generative model of {size} images": f"{_PARTS[type(model)]} "
        f"{num_weights:,} weights. Made with agave_tf, after Lucas & Verbeek 2018.",
        "Training": "\n".join(f"- {line}" for line in training_lines(description)),
        "Likelihood": "\n".join(
            f"- {line}" for line in likelihood_lines(model, description)
        ),
        **use,
        "Limits": _limits(model),
        "Versions": f"Exported with {versions_text(description)}. All settings are in "
        f"{settings}.",
        "License and citation": "The code, agave_tf, is under the Apache License 2.0. "
        "The images that the model was trained on have a license of their own. "
        "Whether it lets you use these weights or pass them on is for you to find "
        f"out.\n\n```bibtex\n{_CITATION}\n```",
    }
    title, *others = [f"{name}\n\n{text}\n" for name, text in sections.items()]
    card = "\n".join([f"# {title}", *(f"## {other}" for other in others)])
    # The name of a data set may have bytes that are no UTF-8, which a file must be.
    return card.encode(errors="backslashreplace").decode()


def _use(model: ImageModel) -> str:
    labels, count = "labels=tf.zeros([4], tf.int32)", "count=tf.constant(4)"
    given = labels if model.num_classes else count
    output = "f_z_images" if isinstance(model, VAEModel) else "images"
    return f"""\
```python
import tensorflow as tf

signatures = tf.saved_model.load(".").signatures  # "." is this directory
drawn = signatures["sample"]({given}, seed=tf.constant(0))
images = drawn["{output}"].numpy()
```

TensorFlow alone is needed. The same seed draws the same images. The first call takes
longer, because XLA compiles the sampler."""


def _limits(model: ImageModel) -> str:
    size = "x".join(str(length) for length in model.image_shape)
    return f"""\
- It is for small images of one size, {size}, and of the kind it was trained on, whose
  biases it shares.
- Likelihoods compare models on the same images, of one size and 8 bits. They do not
  tell familiar images from strange ones: a simple image of another kind may be likelier
  than those the model was trained on.
- Drawn images may resemble training images. Nothing here prevents it."""


def _signature_table(functions: Functions) -> str:
    """The inputs and outputs of every signature, as a table in Markdown.

    Args:
      functions: the graph of each signature by its name; outputs are named.
    """
    rows = ["| signature | takes | gives |", "|---|---|---|"]
    for name, function in sorted(functions.items()):
        _, inputs = function.structured_input_signature
        takes, gives = _listed(inputs), _listed(function.structured_outputs)
        rows.append(f"| `{name}` | {takes} | {gives} |")
    return "\n".join(rows)


def _listed(tensors: Mapping[str, tf.Tensor | tf.TensorSpec]) -> str:
    return "; ".join(
        f"`{name}` {tensor.dtype.name}{_axes(tensor.shape)}"
        for name, tensor in sorted(tensors.items())
    )


def _axes(shape: tf.TensorShape) -> str:
    """A shape such as " [B,8,8,3]", where B is free; empty for a number."""
    if shape.rank == 0:
        return ""
    return f" [{','.join('B' if n is None else str(n) for n in shape)}]"
