"""The signatures of an exported model as a table, read from their graphs."""

from collections.abc import Mapping

import tensorflow as tf

Functions = Mapping[str, tf.types.experimental.ConcreteFunction]


def signature_table(functions: Functions) -> str:
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
    """A shape such as [B,8,8,3], where B is free; nothing for a number."""
    if shape.rank == 0:
        return ""
    return f" [{','.join('B' if n is None else str(n) for n in shape)}]"
