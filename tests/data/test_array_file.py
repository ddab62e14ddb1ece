"""What an array file claims of itself is checked before memory is taken for it."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from agave_tf.data.array_file import stored_arrays
from agave_tf.errors import InputError


def header(shape, descr="|u1", length=None):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}"
    text = text.encode().ljust(118 if length is None else length) + b"\n"
    return np.lib.format.magic(2, 0) + struct.pack("<I", len(text)) + text


def archive(path, content, compression=zipfile.ZIP_DEFLATED, claimed=None):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("images.npy", content)
    if claimed is not None:
        # In the directory at the end: the size before compression.
        whole = bytearray(path.read_bytes())
        at = whole.rindex(b"PK\x01\x02") + 24
        whole[at : at + 4] = struct.pack("<I", claimed)
        path.write_bytes(whole)


def refused(message, path):
    with pytest.raises(InputError, match=message) as caught:
        for array in stored_arrays(str(path)).values():
            for _ in array.rows():
                pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_a_header_of_gigabytes_is_not_read(tmp_path, kind):
    path = tmp_path / "x"
    content = header((2, 4, 4), length=2**28)
    if kind == "npy":
        path.write_bytes(content)
    else:
        archive(path, content)
    del content
    tracemalloc.start()
    refused("of plain arrays", path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_an_archive_cannot_claim_more_than_deflate_can_give(tmp_path):
    count = 2**32 - 1 - len(header((2**31, 1)))
    archive(tmp_path / "x", header((count, 1)), claimed=2**32 - 1)
    refused("claims 4294967295 bytes, and the archive has", tmp_path / "x")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_numpy_never_uses_is_refused(tmp_path, method):
    file = io.BytesIO()
    np.save(file, np.zeros((2, 4, 4, 1), np.uint8))
    archive(tmp_path / "x", file.getvalue(), method)
    refused("compressed in a way that NumPy never uses", tmp_path / "x")


@pytest.mark.parametrize("shape", [(-2, -8, 4), (2, -1, 4)])
def test_a_negative_shape_is_refused(tmp_path, shape):
    content = header(shape)
    (tmp_path / "x").write_bytes(content + bytes(max(0, int(np.prod(shape)))))
    refused("claims the shape", tmp_path / "x")


def test_an_image_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    shape = (2, 2**15, 2**15 + 4)
    with open(tmp_path / "x", "wb") as file:
        file.write(header(shape))
        file.truncate(len(header(shape)) + int(np.prod(shape)))
    refused("one row of an array has", tmp_path / "x")
