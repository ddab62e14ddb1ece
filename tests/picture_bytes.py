"""Pictures as bytes of files: of kinds that Pillow cannot write, and broken ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 16, 3), np.uint8)
GRAY = RNG.integers(0, 256, (12, 16), np.uint8)
ALPHA = RNG.integers(0, 255, (12, 16), np.uint8)
TWELVE_BITS = RNG.integers(0, 4096, (12, 16, 4), np.uint16)


def png(image, color_type, *chunks):
    """A PNG of 8 or 16 bits, which Pillow could not write.

    Args:
      image: uint8 or uint16 [h,w,c].
      color_type: 0 gray, 2 RGB, 4 gray with alpha, 6 RGB with alpha.
      *chunks: (name, content) before the pixels.
    """
    height, width = image.shape[:2]
    bits = 8 * image.dtype.itemsize
    rows = image.astype(f">u{image.dtype.itemsize}").reshape(height, -1)
    return png_of_rows(
        [row.tobytes() for row in rows], width, bits, color_type, *chunks
    )


def png_of_rows(rows, width, bits, color_type, *chunks):
    header = struct.pack(">IIBBBBB", width, len(rows), bits, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def tiff(image, photometric, extra=None):
    """An uncompressed little-endian TIFF of uint8 or uint16 [h,w,c].

    Args:
      image: the pixels.
      photometric: 0 gray whose white is 0, 1 gray, 2 RGB, 6 YCbCr.
      extra: the meaning of the last channel; 1: premultiplied alpha.
    """
    height, width, channels = image.shape
    bits = [8 * image.dtype.itemsize] * channels
    # Two shorts fit in a tag; more lie after the header.
    lie_after = 8 if channels > 2 else struct.unpack("<I", _shorts(bits[:2], 4))[0]
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, lie_after),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 16),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, image.nbytes),
        *([] if extra is None else [(338, 3, 1, extra)]),
        # All channels have all pixels.
        *([(530, 3, 2, 0x10001)] if photometric == 6 else []),
    ]
    return (
        struct.pack("<2sHI", b"II", 42, 16 + image.nbytes)
        + _shorts(bits, 8)
        + image.astype(image.dtype.newbyteorder("<")).tobytes()
        + struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        + bytes(4)
    )


def _shorts(values, size):
    return struct.pack(f"<{len(values)}H", *values).ljust(size, b"\0")


def bytes_of(kind, picture=None):
    file = io.BytesIO()
    (picture or Image.fromarray(RGB)).save(file, kind)
    return file.getvalue()


def wrong_checksum():
    content = bytearray(bytes_of("png"))
    content[content.index(b"IDAT") + 10] ^= 0xFF
    return bytes(content)


def bomb():
    """A PNG of a few bytes that says to be 30000x30000."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    content = bytes_of("png")
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return content[:16] + header + crc + content[33:]


UNREADABLE = {
    "text": b"no picture",
    "empty": b"",
    "png header": b"\x89PNG\r\n\x1a\n",
    "truncated png": bytes_of("png")[:-60],
    "truncated jpeg": bytes_of("jpeg")[:-200],
    "truncated gif": bytes_of("gif")[:-300],
    "truncated bmp": bytes_of("bmp")[:-300],
    "truncated tiff": bytes_of("tiff")[:100],
    "truncated webp": bytes_of("webp")[:-100],
    "truncated ppm": bytes_of("ppm")[:-100],
    "truncated 16-bit png": png(TWELVE_BITS[..., :3], 2)[:-200],
    "wrong checksum": wrong_checksum(),
    "bomb": bomb(),
    "no pixels": b"P5 0 0 255 ",
    "of a kind that is not used": bytes_of("pcx"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
}
