"""A small coded file, which this version and every later one must decode.

    python tests/codec/golden_pictures.py

makes it, with the digests of its pictures and previews, in tests/golden. It is to be
made anew only where the format changes, with its number.
"""

import hashlib
import json
import pathlib

import numpy as np
from coding_models import gray_codec, noise, smooth

from agave_tf.codec.codec import Codec
from agave_tf.codec.opened_file import Decoded

DIRECTORY = pathlib.Path(__file__).resolve().parents[1] / "golden"
CODED, DIGESTS = DIRECTORY / "coded_pictures.agave", DIRECTORY / "coded_pictures.json"


def golden_codec() -> Codec:
    """The codec of the file."""
    return gray_codec(lanes=1)  # Or the gray pictures would be smaller stored.


def golden_pictures() -> tuple[list[np.ndarray], list[int], list[str]]:
    """Pictures of two sizes, some of them gray and some stored; labels, and names."""
    pictures = [
        *smooth(4),
        *smooth(2, (3, 5), seed=1),
        *np.full([6, 4, 4, 1], 128, np.uint8),
        *noise(1, (2, 3)),
        *noise(1, channels=1),
    ]
    labels = [*range(-1, len(pictures) - 1)]
    names = [f"ä/{number}.png" for number in range(len(pictures))]
    return pictures, labels, names


def digests(decoded: Decoded) -> dict[str, object]:
    """What came from a file, in a few words."""
    found = hashlib.sha256()
    for image in decoded.images:
        found.update(str(image.shape).encode() + image.tobytes())
    return {
        "pictures": found.hexdigest(),
        "labels": " ".join(map(str, decoded.labels)),
        "names": " ".join(decoded.names),
    }


def main() -> None:
    """Makes the file, and decodes it."""
    codec = golden_codec()
    data = codec.encode(*golden_pictures())
    CODED.write_bytes(data)
    found = {
        "decoded": digests(codec.decode(data)),
        "preview": digests(codec.preview(data)),
    }
    DIGESTS.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{len(data)} bytes")


if __name__ == "__main__":
    main()
