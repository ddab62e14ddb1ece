"""The path of a SavedModel to write, checked before the work."""

from agave_tf.errors import InputError
from agave_tf.runs.checkpoint_paths import is_pattern, is_utf8
from agave_tf.whole_file import check_new_directory


def check_output_dir(output_dir: str) -> None:
    """Checks that a SavedModel can be made in `output_dir` and loaded from there.

    Raises:
      InputError: `output_dir` exists, the directory it is to be made in does not, or
        TensorFlow could not load a model from it because of its path.
    """
    check_new_directory("output_dir", output_dir)
    if is_pattern(output_dir) or not is_utf8(output_dir):
        raise InputError(
            "`output_dir` must have no brackets and no backslash in its path, and be "
            "UTF-8: from another path TensorFlow cannot load a model. Got "
            f"{output_dir!r}."
        )
