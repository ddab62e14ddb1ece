"""The model card of an exported model: what it is, where it is from, how to use it.

Mitchell et al. 2019, Model Cards for Model Reporting.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from agave_tf.errors import InputError, cut, quoted
from agave_tf.interop.provenance import public_name
from agave_tf.interop.signature_table import Functions, signature_table
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel

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
      description: as in assets.extra/agave_tf.json; what it lacks of the facts of
        `about_run` is said to be unknown.
      functions: the graphs of the signatures.
    """
    use = {
        "Signatures": "B is the number of images; images are levels 0 to 255; f(z) is "
        f"on -1 to 1.\n\n{signature_table(functions)}",
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
      description: as `model_card` takes it.
      use: text by title.
      settings: the file that holds the settings.
    """
    size = "x".join(str(length) for length in model.image_shape)
    num_weights = sum(int(np.prod(weight.shape)) for weight in model.weights)
    sections = {
        f"A generative model of {size} images": f"{_PARTS[type(model)]} "
        f"{num_weights:,} weights. Made with agave_tf, after Lucas & Verbeek 2018.",
        "Training": "\n".join(f"- {line}" for line in _training(description)),
        "Likelihood": "\n".join(f"- {line}" for line in _scores(model, description)),
        **use,
        "Limits": _limits(model),
        "Versions": f"Exported with {_versions(description)}. All settings are in "
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


def _training(description: dict[str, Any]) -> list[str]:
    """Stage, images, length and origin of the training, a sentence for each."""
    if "stage" not in description:
        return ["Not recorded: the model was exported without its run."]
    settings, step = description["settings"], _count(description["step"])
    stage = f"Stage {_code(description['stage'])}"
    if description.get("origin"):
        of_step = f" at step {step}" if step else ""
        return [
            f"Imported from {_code(description['origin'])}{of_step}, as {stage[0]}"
            f"{stage[1:]}. It does not say what it was trained on.",
            _weights_line(description),
        ]
    planned = _count(description.get("num_steps", step))
    short = "" if step >= planned else f" of {planned}: not finished"
    batch = _count(settings["train"]["batch_size"])
    lines = [
        f"{stage}, {step} steps{short}, in batches of {batch} images.",
        _data_line(description, step * batch),
        _sources_line(description.get("sources")),
        _weights_line(description),
    ]
    return [line for line in lines if line]


def _data_line(description: dict[str, Any], num_seen: int) -> str:
    name = _public_code(description["settings"]["data"]["dataset"])
    data = description.get("data")
    if data is None:
        return f"Images: {name}; which of them is not recorded."
    num_train, num_test = _count(data["num_train"]), _count(data["num_test"])
    return (
        f"Images: {name}, {num_train} to train on ({num_seen} were seen, "
        f"{num_seen / num_train:.1f} times each) and {num_test} held out "
        f"({_word(data['held_out'])}); fingerprint {_code(data['fingerprint'])}."
    )


def _sources_line(sources: dict[str, dict[str, Any]] | None) -> str:
    if sources is None:
        return "The weights it started from are not recorded."
    started = [
        f"{_code(source['stage'])} at step {_count(source['step'])} (weights "
        f"{_code(source['weights'])})"
        for source in sources.values()
    ]
    return f"Started from {' and '.join(started) or 'new weights'}."


def _weights_line(description: dict[str, Any]) -> str:
    weights = description.get("weights")
    return f"Averaged weights, fingerprint {_code(weights)}." if weights else ""


def _scores(model: ImageModel, description: dict[str, Any]) -> list[str]:
    """Bits/dim of every evaluation of these weights."""
    evaluations = description.get("evaluations")
    if not evaluations:
        return ["Not evaluated: run bin/evaluate.py before bin/export.py."]
    of_y = " of the auxiliary image y" if isinstance(model, VAEModel) else ""
    lines = []
    for found in evaluations:
        split = {"test": "held-out", "train": "training"}[found["evaluation"]["split"]]
        count = _count(found["num_images"])
        total = _count(found["num_images_in_split"])
        which = f"all {total}" if count == total else f"{count} of {total}"
        name, scores = _public_code(found["data"]["dataset"]), found["scores"]
        values = [
            f"{value:.3f}{_samples(key)}"
            for key, value in scores.items()
            if key.startswith("bits_per_dim") and isinstance(value, int | float)
        ]
        lines.append(
            f"{' or '.join(values)} bits/dim{of_y}, on {which} {split} images "
            f"of {name}."
        )
    return lines


def _samples(key: str) -> str:
    """Names the bound that a score is of."""
    match = re.fullmatch(r"bits_per_dim_([0-9]{1,9})_samples", key)
    return f" (importance-weighted over {match[1]} samples of z)" if match else ""


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


def _versions(description: dict[str, Any]) -> str:
    names: Mapping[str, str] = description["versions"]
    return ", ".join(f"{_word(name)} {_word(v)}" for name, v in names.items())


def _public_code(dataset: str) -> str:
    return _code(public_name(dataset))


def _count(value: Any) -> int:
    """A number from a file, as which the card shows it; InputError for another."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(
            f"A model card must have whole numbers as counts; got {quoted(value)}."
        )
    return value


def _word(text: str) -> str:
    """Text as it is, if it is of letters, digits, spaces, commas, dots, - and +.

    Other text may be read as Markdown or HTML, and goes into a code span.
    """
    is_plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_ ,.+-]*", text)
    return cut(text) if is_plain else _code(text)


def _code(text: str) -> str:
    """Text that a person chose, in a code span that it cannot end."""
    text = cut(" ".join(text.split()))
    # Marks that turn the direction of writing, and those that move a cursor.
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
