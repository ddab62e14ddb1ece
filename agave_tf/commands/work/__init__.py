"""The work of each command, once its flags are right; the import loads TensorFlow.

Each module has `run`, which the command of the same name calls by `loading.run_work`.
"""

import os
import sys
import warnings

from agave_tf.commands.log_lines import stop_second_handlers
from agave_tf.commands.streams import shown_on, without_messages

# TensorFlow prints a dozen lines when it is imported, which would bury an error of one
# line and which no setting suppresses completely. This package is imported before its
# modules, whatever the order of their imports.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with (
    shown_on(sys.stderr, "Loading TensorFlow ..."),
    without_messages(),
    warnings.catch_warnings(),
):
    # Libraries warn of each other; PYTHONWARNINGS=error would make that an error.
    warnings.simplefilter("ignore")
    import tensorflow as tf

    # It imports everything else that prints.
    import agave_tf.training.train_loop  # noqa: F401

stop_second_handlers(tf.get_logger())
