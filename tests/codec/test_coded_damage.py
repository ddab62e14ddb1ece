"""A damaged file is refused in one line, or its intact pictures are salvaged."""

import numpy as np
import pytest
from coding_models import LANES, gray_codec, gray_model, noise, smooth

from agave_tf.codec.codec import Codec
from agave_tf.codec.file_format import CodedFile, digest_of
from agave_tf.codec.latent_code import code_bytes
from agave_tf.codec.read_file import file_of
from agave_tf.errors import InputError
from agave_tf.weights.named_weights import named_weights

NAMES = list("abcdef")
LABELS = np.array([5, -1, 3, 2, 300, 0])
# Places of the pictures in a file: four are coded, in three lanes, and two stored.
CODED, STORED = [0, 2, 3, 5], [1, 4]


@pytest.fixture(scope="module")
def codec():
    return gray_codec()


@pytest.fixture(scope="module")
def pictures():
    found = np.empty((6, 4, 4, 3), np.uint8)
    found[CODED], found[STORED] = smooth(4), noise(2)
    return found


@pytest.fixture(scope="module")
def data(codec, pictures):
    return codec.encode(pictures, LABELS, NAMES)


def opened(codec: Codec, data: bytes) -> CodedFile:
    return file_of(data, codec.model.image_shape, len(codec.model.latent_shapes), False)


def changed(file: CodedFile, **changes) -> CodedFile:
    """A file with other parts of the header, before the same streams."""
    header = file.header._replace(**changes)
    return file._replace(header=header, content=header.to_bytes((4, 4)))


def sealed(codec: Codec, file: CodedFile) -> bytes:
    """The bytes of a file, with the digest of its header and latents."""
    groups = codec._open(file.to_bytes(), salvages=True).groups
    latents = (code_bytes(code) for group in groups for code in group.codes)
    digest = digest_of(file.content, codec._weights, latents)
    return file._replace(digest=digest).to_bytes()


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def refusal(decode, data: bytes) -> str:
    """The message with which a file is refused, which is one line."""
    with pytest.raises(InputError) as refused:
        decode(data)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def stream_at(codec: Codec, data: bytes, group: int, lane: int) -> tuple[int, int]:
    """Where a stream begins and ends."""
    streams = opened(codec, data).streams
    before = [*streams[:group], streams[group][:lane]]
    later = [streams[group][lane:], *streams[group + 1 :]]
    size = sum(len(stream) for part in later for stream in part)
    begin = len(data) - size
    assert begin >= sum(len(stream) for part in before for stream in part)
    return begin, begin + len(streams[group][lane])


def assert_salvaged(decoded, pictures, lost):
    """Asserts that all but the lost pictures came, each with what belongs to it."""
    left = [place for place in range(len(pictures)) if place not in lost]
    assert decoded.numbers.tolist() == left and decoded.lost.tolist() == lost
    np.testing.assert_array_equal(decoded.images, pictures[left])
    assert decoded.names == [NAMES[place] for place in left]
    np.testing.assert_array_equal(decoded.labels, LABELS[left])


def test_the_file_of_these_tests_has_lanes_and_a_stored_group(codec, data, pictures):
    groups = opened(codec, data).header.groups
    assert [list(group.places) for group in groups] == [CODED, STORED]
    assert [group.kind.is_stored for group in groups] == [False, True]
    assert len(groups[0].lengths) == LANES and groups[0].ranges[1].least > 0
    assert_salvaged(codec.decode(data), pictures, [])


def test_every_flipped_bit_of_the_header_is_found(codec, data):
    begin, _ = stream_at(codec, data, 0, 0)
    for bit in range(8 * begin):
        refusal(codec.decode, flipped(data, bit))
        refusal(codec.preview, flipped(data, bit))


def test_flipped_bits_of_the_streams_are_found(codec, data):
    """A preview does not read the pixels; it is the same, or refused."""
    begin, _ = stream_at(codec, data, 0, 0)
    preview = codec.preview(data)
    for bit in np.random.default_rng(0).integers(8 * begin, 8 * len(data), 80):
        refusal(codec.decode, flipped(data, bit))
        try:
            found = codec.preview(flipped(data, bit))
        except InputError:
            continue
        np.testing.assert_array_equal(found.images, preview.images)


def test_a_file_that_is_cut_off_or_longer_is_refused(codec, data):
    coded = codec.encode(smooth())
    for whole in (data, coded):
        for length in range(len(whole)):
            refusal(codec.decode, whole[:length])
        refusal(codec.decode, whole + b"\0")
        refusal(codec.decode, whole + b"\0\0\0\0")


def test_a_header_of_other_names_or_labels_does_not_open_the_streams(codec, data):
    """Also where the digest is that of the changed header."""
    file = opened(codec, data)
    group, stored = file.header.groups
    for changes in (
        {"names": list("abcdeg")},
        {"labels": LABELS[::-1]},
        {"names": None},
        {
            "groups": [
                group._replace(places=[0, 1, 3, 5]),
                stored._replace(places=[2, 4]),
            ]
        },
    ):
        other = changed(file, **changes)
        assert "the digest" in refusal(codec.decode, other.to_bytes())
        message = refusal(codec.decode, sealed(codec, other))
        assert "checksum" in message or "ends before its last image" in message
        with pytest.raises(InputError, match="none of its 6 pictures is intact"):
            codec.decode(other.to_bytes(), salvage=True)


def test_streams_in_another_place_are_refused(codec, data):
    file = opened(codec, data)
    coded, stored = file.header.groups
    lanes = file.streams[0]
    order = [1, 0, 2]
    lengths = [coded.lengths[lane] for lane in order]
    exchanged = changed(file, groups=[coded._replace(lengths=lengths), stored])
    lanes_exchanged = exchanged._replace(
        streams=[[lanes[lane] for lane in order], file.streams[1]]
    )
    groups_exchanged = changed(file, groups=[stored, coded])._replace(
        streams=file.streams[::-1]
    )
    for other in (lanes_exchanged, groups_exchanged):
        refusal(codec.decode, other.to_bytes())
        refusal(codec.decode, sealed(codec, other))
        refusal(lambda data: codec.decode(data, salvage=True), other.to_bytes())


@pytest.mark.parametrize(("lane", "lost"), [(0, [0, 5]), (1, [2]), (2, [3])])
@pytest.mark.parametrize("part", ["latents", "pixels"])
def test_the_pictures_of_other_lanes_are_salvaged(
    codec, data, pictures, lane, lost, part
):
    begin, end = stream_at(codec, data, 0, lane)
    bit = 8 * begin + 20 if part == "latents" else 8 * end - 5
    assert_salvaged(codec.decode(flipped(data, bit), salvage=True), pictures, lost)


def test_coded_pictures_are_salvaged_where_the_stored_ones_are_damaged(
    codec, data, pictures
):
    for damaged in (flipped(data, 8 * len(data) - 1), data[:-1], data[: -2 * 48]):
        assert_salvaged(codec.decode(damaged, salvage=True), pictures, STORED)


def test_what_comes_before_the_end_of_a_file_that_is_cut_off_is_salvaged(
    codec, data, pictures
):
    """Even nothing of the last group may be left, which held other pictures."""
    begin, end = stream_at(codec, data, 0, 1)
    for cut in (end, end + 1, end + 5):
        lost = [1, 3, 4]
        assert_salvaged(codec.decode(data[:cut], salvage=True), pictures, lost)
    for cut in (begin, begin + 1, end - 1):
        lost = [1, 2, 3, 4]
        assert_salvaged(codec.decode(data[:cut], salvage=True), pictures, lost)
    message = refusal(lambda data: codec.decode(data, salvage=True), data[: begin - 1])
    assert "none of its 6 pictures is intact" in message


def test_nothing_is_salvaged_with_a_damaged_header(codec, data):
    """Not even stored pixels, which the header gives names and places."""
    begin, _ = stream_at(codec, data, 0, 0)
    for bit in range(8 * begin):
        if bit // 8 in (4, 5, 6):
            continue  # The digest itself; all pictures are intact.
        refusal(lambda data: codec.decode(data, salvage=True), flipped(data, bit))


def test_pictures_are_salvaged_where_the_digest_alone_is_damaged(codec, data, pictures):
    for byte in (4, 5, 6):
        found = codec.decode(flipped(data, 8 * byte), salvage=True)
        assert_salvaged(found, pictures, [])


def test_stored_pictures_alone_are_not_salvaged_with_other_names(codec):
    """Their checksum was of the pixels only, and named them as the header did."""
    data = codec.encode(noise(6), LABELS, NAMES)
    at = data.index(b"a\0b")
    other = data[:at] + b"c" + data[at + 1 :]
    assert "the digest" in refusal(codec.decode, other)
    refusal(lambda data: codec.decode(data, salvage=True), other)
    other = opened(codec, data)
    other = changed(other, labels=LABELS[::-1])
    assert "checksum" in refusal(codec.decode, sealed(codec, other))


def test_another_model_is_named(data):
    other = gray_model()
    weights = named_weights(other)["vae/log_scale"]
    weights.assign(weights + 1)
    codec = gray_codec(other)
    for salvage in (False, True):
        with pytest.raises(InputError, match="the model it was made with, of weights "):
            codec.decode(data, salvage)


def test_a_model_of_the_same_first_byte_is_refused_too(codec, data, monkeypatch):
    """The file has one byte of the fingerprint; its keys and digest are of all."""
    known = codec._weights
    monkeypatch.setattr(codec, "_weights", known[:1] + bytes(len(known) - 1))
    assert "another model" in refusal(codec.decode, data)
    assert "another model" in refusal(codec.preview, data)
    refusal(lambda data: codec.decode(data, salvage=True), data)
