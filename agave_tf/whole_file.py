"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np


@contextlib.contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """A file to write, which takes its name only when it is complete and on disk.

    After a failure `path` is what it was before, and nothing else is left.
    """
    temporary = f"{path}.partial"
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def write_text(path: str, text: str) -> None:
    """Writes a text file."""
    with writing(path) as file:
        file.write(text.encode())


def write_npz(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to an .npz."""
    with writing(path) as file:
        np.savez(file, **arrays)
