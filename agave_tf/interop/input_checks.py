"""The checks of its inputs that an exported model carries in its own graph.

Where it runs, agave_tf is not installed. Without them a label out of range would count
as no class at all, because `tf.one_hot` gives zeros for it.
"""

from collections.abc import Callable

import tensorflow as tf

# The names of arguments that have one row for each image.
_IMAGES = ("images", "auxiliary_images")


def checking(
    function: Callable[..., dict[str, tf.Tensor]],
    arguments: dict[str, tf.TensorSpec],
    num_classes: int,
) -> Callable[..., dict[str, tf.Tensor]]:
    """Wraps `function`: its graph refuses wrong inputs before it computes anything.

    Args:
      function: takes the arguments by name.
      arguments: shape and type of each.
      num_classes: labels must be below it.

    Returns:
      A function whose graph raises InvalidArgumentError for a wrong shape (the message
      names `check_` and the argument), for labels out of range or not one per image,
      and for no samples.
    """

    def checked(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        given = {
            name: tf.ensure_shape(given[name], spec.shape, name=f"check_{name}")
            for name, spec in arguments.items()
        }
        with tf.control_dependencies(_assertions(given, num_classes)):
            return function(**{k: tf.identity(value) for k, value in given.items()})

    return checked


def _assertions(given: dict[str, tf.Tensor], num_classes: int) -> list[tf.Operation]:
    assertions = []
    if "labels" in given:
        labels = given["labels"]
        is_right = (labels >= 0) & (labels < num_classes)
        required = f"`labels` must be from 0 to {num_classes - 1}; got"
        wrong = tf.boolean_mask(labels, ~is_right)
        assertions.append(
            tf.debugging.Assert(tf.reduce_all(is_right), [required, wrong])
        )
        for name in set(_IMAGES) & set(given):
            counts = tf.shape(labels)[0], tf.shape(given[name])[0]
            required = f"`labels` must be one for each of the `{name}`; got"
            assertions.append(
                tf.debugging.Assert(
                    counts[0] == counts[1], [required, counts[0], "for", counts[1]]
                )
            )
    if "num_samples" in given:
        count = given["num_samples"]
        required = "`num_samples` must be at least 1; got"
        assertions.append(tf.debugging.Assert(count >= 1, [required, count]))
    return assertions
