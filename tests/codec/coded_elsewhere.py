"""Decodes and encodes files of pictures in a process of other libraries and threads.

    python tests/codec/coded_elsewhere.py FILE NEW_FILE LANES THREADS

decodes FILE, checks its pictures, and encodes the same ones as NEW_FILE.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf
from coding_models import gray_codec, smooth


def main(old: str, new: str, lanes: str, threads: str) -> None:
    """Decodes a file, and encodes another one."""
    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    codec = gray_codec(lanes=int(lanes))
    decoded = codec.decode(pathlib.Path(old).read_bytes())
    np.testing.assert_array_equal(decoded.images, smooth())
    pathlib.Path(new).write_bytes(codec.encode(smooth()))


if __name__ == "__main__":
    main(*sys.argv[1:])
