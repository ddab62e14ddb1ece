"""Opens files that another person may have made."""

import os
import stat
from typing import BinaryIO

from agave_tf.errors import InputError


def open_plain(path: str) -> BinaryIO:
    """Opens a file to read, unless it is a directory, a pipe or a device.

    A pipe would keep the reader waiting for a writer, and a device may never end.

    Raises:
      InputError: it is none of the disk's own files.
      FileNotFoundError: there is none.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(
            f"{path} must be a plain file; it is a directory, a pipe or a device."
        )
    return open(path, "rb")
