"""Digests of the content of files, which tell them apart wherever they lie."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from agave_tf.data.hints import DIGEST_BYTES, Hints, State
from agave_tf.progress_bar import progress_bar

# The digest of a file that cannot be read. Reading the pictures decides whether that
# is an error.
UNREADABLE = bytes(DIGEST_BYTES)
_BYTES_AT_ONCE = 2**20
_FILES_AT_ONCE = 256
_NUM_THREADS = 8  # They wait for the disk, most of all if it is far away.


def file_digests(
    paths: Sequence[str], states: Iterable[State], hints: Hints
) -> list[bytes]:
    """Computes a digest of the content of each file, [16]; zeros if it is unreadable.

    Files that have not changed since an earlier call are not read.

    Args:
      paths: of the files.
      states: of the files, from before they are read.
      hints: of 16 bytes; digests of files that were read are added.
    """
    digests: list[bytes] = []
    unknown: dict[int, State] = {}  # by place
    for place, state in enumerate(states):
        digests.append(hints.find(state) or UNREADABLE)
        if digests[-1] == UNREADABLE:
            unknown[place] = state
    places = list(unknown)
    caption = "Reading new or changed files"
    bar = progress_bar(caption, len(unknown), "file", leave=False)
    groups = [
        places[start : start + _FILES_AT_ONCE]
        for start in range(0, len(unknown), _FILES_AT_ONCE)
    ]
    with ThreadPoolExecutor(_NUM_THREADS) as pool, bar:
        read = pool.map(lambda group: [file_digest(paths[i]) for i in group], groups)
        for group, group_digests in zip(groups, read, strict=True):
            for place, digest in zip(group, group_digests, strict=True):
                digests[place] = digest
                if digest != UNREADABLE:
                    hints.add(unknown[place], digest)
            bar.update(len(group))
    return digests


def file_digest(path: str) -> bytes:
    """A digest of the content of a file, [16]; zeros if it cannot be read."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        # Without a buffer, which would take longer than a small file.
        with open(path, "rb", buffering=0) as file:
            while data := file.read(_BYTES_AT_ONCE):
                digest.update(data)
    except OSError:
        return UNREADABLE
    return digest.digest()
