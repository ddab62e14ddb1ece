"""The sentences of a model card about training and likelihood.

They are made of the facts that `about_run` gives. Names in them may come from files of
other people, so all of them are shown as text that no reader takes for Markdown.
"""

import re
from collections.abc import Mapping
from typing import Any

from agave_tf.errors import InputError, cut, quoted
from agave_tf.interop.provenance import public_name
from agave_tf.models.image_model import ImageModel
from agave_tf.models.vae_model import VAEModel


def training_lines(description: dict[str, Any]) -> list[str]:
    """A sentence each about stage, images, length and origin of the training."""
    if "stage" not in description:
        return ["Not recorded: the model was exported without its run."]
    settings, step = description["settings"], _count(description["step"])
    stage = f"Stage {_code(description['stage'])}"
    if description.get("origin"):
        at_step = f" at step {step}" if step else ""
        return [
            f"Imported from {_code(description['origin'])}{at_step}, as {stage[0]}"
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


def likelihood_lines(model: ImageModel, description: dict[str, Any]) -> list[str]:
    """Bits/dim of every evaluation of these weights."""
    evaluations = description.get("evaluations")
    if not evaluations:
        return ["Not evaluated: run bin/evaluate.py before bin/export.py."]
    subject = " of the auxiliary image y" if isinstance(model, VAEModel) else ""
    lines = []
    for found in evaluations:
        kinds = {"test": "held-out ", "train": "training ", "all": ""}
        split = kinds[found["evaluation"]["split"]]
        tile_size = found["evaluation"].get("tile_size")
        tiles = f", in tiles of {_word(tile_size)}" if tile_size else ""
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
            f"{' or '.join(values)} bits/dim{subject}, on {which} {split}images of "
            f"{name}{tiles}."
        )
    return lines


def _samples(key: str) -> str:
    """Names the importance-weighted bound of a score; empty for other scores."""
    match = re.fullmatch(r"bits_per_dim_([0-9]{1,9})_samples", key)
    return f" (importance-weighted over {match[1]} samples of z)" if match else ""


def versions_text(description: dict[str, Any]) -> str:
    names: Mapping[str, str] = description["versions"]
    return ", ".join(f"{_word(name)} {_word(v)}" for name, v in names.items())


def _public_code(dataset: str) -> str:
    return _code(public_name(dataset))


def _count(value: Any) -> int:
    """Returns a whole number; raises InputError for another value, from a file."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(
            f"A model card must have whole numbers as counts; got {quoted(value)}."
        )
    return value


def _word(text: str) -> str:
    """Returns text of letters, digits, spaces, commas, dots, - and + as it is.

    Other text may be read as Markdown or HTML, and goes into a code span.
    """
    is_plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_ ,.+-]*", text)
    return cut(text) if is_plain else _code(text)


def _code(text: str) -> str:
    """Puts text that a person chose into a code span that it cannot end."""
    text = cut(" ".join(text.split()))
    # Other characters may turn the direction of writing, or move a cursor.
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
