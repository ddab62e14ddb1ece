"""An .npz of a stranger gives whole arrays of numbers, or a cheap error."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from damaged_files import archive_of, npy_of

from agave_tf.checked_npz import ArrayForm, read_npz
from agave_tf.errors import InputError

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
OBJECTS = np.array([{"a": 1}, None], dtype=object)
RECORDS = np.zeros(2, [("a", "f4")])


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def with_long_table() -> bytes:
    """An archive that claims a table of contents of 2 GB, and is as long."""
    data = bytearray(archive_of([("a.npy", npy_of(ARRAY))]))
    end = data.rindex(b"PK\x05\x06")
    table = struct.unpack_from("<L", data, end + 16)[0]
    filler = bytes(5 * 2**20)
    struct.pack_into("<L", data, end + 12, end - table + len(filler))
    return bytes(data[:end]) + filler + bytes(data[end:])


def encrypted() -> bytes:
    data = bytearray(archive_of([("a.npy", npy_of(ARRAY))]))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1
    return bytes(data)


def npy_with_header(text: str) -> bytes:
    header = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


WHOLE = archive_of([("a.npy", npy_of(ARRAY))])
DAMAGED = {
    "empty": b"",
    "text": b"hello",
    "a .npy": npy_of(ARRAY),
    "truncated": WHOLE[: len(WHOLE) // 2],
    "another number": flipped(WHOLE, WHOLE.index(npy_of(ARRAY)) + 130),
    "another name": archive_of([("a.txt", npy_of(ARRAY))]),
    "twins": archive_of([("a.npy", npy_of(ARRAY)), ("a.npy", npy_of(ARRAY))]),
    "pickled objects": archive_of([("a.npy", npy_of(OBJECTS))]),
    "records": archive_of([("a.npy", npy_of(RECORDS))]),
    "texts": archive_of([("a.npy", npy_of(np.array(["a", "b"])))]),
    "complex": archive_of([("a.npy", npy_of(ARRAY.astype(complex)))]),
    "a giant shape": archive_of([("a.npy", npy_of(ARRAY, (10**6, 10**6)))]),
    "a shape beyond 64 bits": archive_of([("a.npy", npy_of(ARRAY, (10**30, 3)))]),
    "a negative shape": archive_of([("a.npy", npy_of(ARRAY, (-2, -3)))]),
    "a small shape": archive_of([("a.npy", npy_of(ARRAY, (2, 2)))]),
    "another version": archive_of([("a.npy", npy_of(ARRAY, version=(2, 0)))]),
    "a header of brackets": archive_of([("a.npy", npy_with_header("[" * 117))]),
    "a header of words": archive_of([("a.npy", npy_with_header("import os"))]),
    "a bomb": archive_of([("a.npy", npy_of(np.zeros(2**24)))], zipfile.ZIP_DEFLATED),
    "LZMA": archive_of([("a.npy", npy_of(ARRAY))], zipfile.ZIP_LZMA),
    "bzip2": archive_of([("a.npy", npy_of(ARRAY))], zipfile.ZIP_BZIP2),
    "a long table": with_long_table(),
    "a password": encrypted(),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_refused_in_little_memory(kind, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(DAMAGED[kind])
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="^/.*a.npz must be a whole .npz") as error:
            read_npz(str(path))
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_whole_file_is_read_as_numpy_reads_it(write, tmp_path):
    arrays = {"a/b": ARRAY, "c": np.asfortranarray(ARRAY), "d": np.arange(3) > 1}
    arrays |= {"e": np.float64(3.5), "f": np.zeros((0, 4), ">i2")}
    write(tmp_path / "a.npz", **arrays)
    seen = {}
    found = read_npz(str(tmp_path / "a.npz"), seen.update)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype
        assert seen[name] == ArrayForm(np.shape(array), found[name].dtype)


def test_nothing_is_read_that_the_caller_does_not_want(tmp_path):
    """The numbers are damaged: reading them would fail in another way."""
    data = archive_of([("a.npy", npy_of(np.zeros(10_000)))])
    (tmp_path / "a.npz").write_bytes(flipped(data, 50_000))
    with pytest.raises(InputError, match="CRC"):
        read_npz(str(tmp_path / "a.npz"))

    def refuse(forms):
        raise InputError(f"not {sorted(forms)}")

    with pytest.raises(InputError, match=r"^not \['a'\]$"):
        read_npz(str(tmp_path / "a.npz"), refuse)


def test_the_bomb_is_one():
    """Else the test above would not show that it is not expanded."""
    with np.load(io.BytesIO(DAMAGED["a bomb"])) as file:
        assert file["a"].nbytes > 500 * len(DAMAGED["a bomb"])
