"""Pictures to bytes and back, bit for bit, with a model as the code."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.candidates import Candidates
from agave_tf.codec.entropy_coder import OpenStack, Stack
from agave_tf.codec.file_format import (
    CRC_BYTES,
    WEIGHTS_BYTES,
    CodedFile,
    Group,
    Header,
    Kind,
    digest_of,
    keys_of,
    stored_stream,
)
from agave_tf.codec.given_pictures import (
    Pictures,
    check_classes,
    checked_labels,
    kinds_of,
)
from agave_tf.codec.lanes import stacks_of_lanes
from agave_tf.codec.latent_code import code_bytes, ranges_of
from agave_tf.codec.one_size import Progress, SizedCodec, no_progress
from agave_tf.codec.opened_file import Decoded, OpenedFile, OpenGroup, in_order
from agave_tf.codec.packing import DAMAGED, SALVAGE
from agave_tf.codec.read_file import file_of, is_possible, stored_pixels
from agave_tf.errors import InputError
from agave_tf.evaluation.memory import check_memory_to_code
from agave_tf.layers.exact_weights import exact_weights
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.settings.coding import CodecSettings
from agave_tf.weights.named_weights import fingerprint, named_weights

# Sub-pixels of a group of pictures, whose slots an encoder holds, 8 bytes each.
_MOST_LEVELS = 2**28


class Codec:
    """Codes pictures with a model that has a PixelCNN++, alone or with a VAE.

    Pictures may have any sizes, each its own, and be gray or RGB, whatever the model's
    images are. Those of one size are coded together. One that the model would make
    larger than its pixels is stored as it is.

    Files decode with the same weights, on any machine: all that both sides compute is
    exact (arithmetic/exact_arithmetic.py).

    Args:
      model: the model.
      settings: the settings of the encoder; None: the defaults.
      progress: called after every batch.

    Raises:
      InputError: the model is a VAE alone, or its weights are too large for exact
        arithmetic.
    """

    def __init__(
        self,
        model: ImageModel,
        settings: CodecSettings | None = None,
        progress: Callable[[Progress], object] = no_progress,
    ):
        if not isinstance(model, AutoregressiveModel):
            raise InputError(
                "`model` must have a PixelCNN++ to code images; a VAE alone has the "
                "likelihood of y, which is not the image."
            )
        self.model: AutoregressiveModel = model
        self._progress = progress
        self.settings = settings or CodecSettings()
        self._weights = bytes.fromhex(
            fingerprint({n: w.numpy() for n, w in named_weights(model).items()})
        )
        self._exact = exact_weights(model)
        self._candidates = Candidates(1 << self.settings.index_bits)
        # The coder of the last size.
        self._last: SizedCodec | None = None

    def encode(
        self,
        images: Pictures,
        labels: np.ndarray | None = None,
        names: Sequence[str] | None = None,
    ) -> bytes:
        """Codes pictures as the bytes of a file, from which `decode` gives them back.

        Args:
          images: uint8 [N,H,W,C], or N arrays [H,W,C]; C is 1 or 3, N at least 1.
          labels: [N] whole numbers from -1, which stands for no label, below 2**31;
            kept; a class-conditional model codes with them.
          names: a name of each picture, kept in the file.

        Raises:
          InputError: pictures of another type or shape; labels or names of another
            number, labels that are no such numbers, or that the model must have and
            that are missing.
        """
        kinds = kinds_of(images, self.model.image_shape[-1])
        for size in {kind.size for kind in kinds}:
            check_memory_to_code(self.model, size)
        labels = checked_labels(labels, names, len(images), self.model.num_classes)
        groups: list[_EncodedGroup] = []
        for kind in sorted(set(kinds)):
            places = np.array([i for i, own in enumerate(kinds) if own == kind])
            each = int(np.prod(images[places[0]].shape))
            step = max(1, _MOST_LEVELS // each)
            for first in range(0, len(places), step):
                own = places[first : first + step]
                pictures = np.stack([images[place] for place in own])
                groups += self._groups(kind, own, pictures, labels)
        header = Header([group.group for group in groups], names, labels)
        content = header.to_bytes(self.model.image_shape[:2])
        streams = [
            [
                part.stream(key)
                if isinstance(part, Stack)
                else stored_stream(part, key)
                for part, key in zip(group.parts, keys, strict=True)
            ]
            for group, keys in zip(
                groups, keys_of(header, content, self._weights), strict=True
            )
        ]
        latents = (group.latents for group in groups)
        digest = digest_of(content, self._weights, latents)
        weights = self._weights[:WEIGHTS_BYTES]
        return CodedFile(header, content, weights, digest, streams).to_bytes()

    def decode(self, data: bytes, salvage: bool = False) -> Decoded:
        """Decodes the pictures of a file, bit for bit.

        Args:
          data: the file.
          salvage: whether to decode what is intact of a damaged file. Its pictures
            share checksums, as many at a time as there are lanes.

        Raises:
          InputError: the file is of another format, was made with another model, or is
            damaged; with `salvage`, so that nothing is intact.
        """
        opened = self._open(data, salvage)
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for group in opened.groups:
            if not group.stacks:
                parts.append(self._without_model(group, salvage))
                continue
            label = self._label_of(group.kind, group.places, opened.file.header.labels)
            decoded, is_right = self._sized(group.kind.size).decode(
                group.stacks, group.codes, label, salvage
            )
            each = np.logical_and.reduce(
                is_right.reshape(-1, group.kind.images_each), axis=1
            )
            if each.any():
                decoded = group.kind.from_model(decoded)
            else:
                decoded = np.zeros([len(each), 0], np.uint8)
            parts.append((decoded, each))
        return in_order(opened, parts)

    def preview(self, data: bytes) -> Decoded:
        """Decodes f(z) of every picture, uint8 [h,w,c], from the first part of streams.

        Pictures that are stored come as they are.

        Raises:
          InputError: as `decode`; or the model has no VAE.
        """
        if not isinstance(self.model, LatentVariableModel):
            raise InputError("`preview` must have a model with a VAE; got none.")
        opened = self._open(data, salvages=False)
        parts = []
        for group in opened.groups:
            if not group.stacks:
                parts.append(self._without_model(group, salvages=False))
                continue
            f_z = self._sized(group.kind.size).previews(group.codes)
            kind = group.kind._replace(size=f_z.shape[1:3])
            parts.append((kind.from_model(f_z), np.ones(len(group.places), bool)))
        return in_order(opened, parts)

    def _open(self, data: bytes, salvages: bool) -> OpenedFile:
        """Reads the header and the latents of a file, and checks both.

        Raises:
          InputError: as `decode`.
        """
        num_levels = len(self.model.latent_shapes)
        file = file_of(data, self.model.image_shape, num_levels, salvages)
        ours = self._weights[:WEIGHTS_BYTES]
        if file.weights != ours:
            raise InputError(
                "The file must be decoded with the model it was made with, of weights "
                f"{file.weights.hex()}...; got a model of weights {ours.hex()}...."
            )
        groups = []
        keys_of_groups = keys_of(file.header, file.content, self._weights)
        for group, streams, keys in zip(
            file.header.groups, file.streams, keys_of_groups, strict=True
        ):
            groups.append(self._opened(group, streams, keys, salvages))
        latents = (code_bytes(code) for group in groups for code in group.codes)
        digest = digest_of(file.content, self._weights, latents)
        if digest != file.digest and not salvages:
            raise InputError(
                f"{DAMAGED}, or was made with another model: the digest of its header "
                f"and latents is another. {SALVAGE}"
            )
        # A damaged header, where it is salvaged, may have lost the labels.
        labels, count = file.header.labels, file.header.num_pictures
        check_classes(labels, count, self.model.num_classes)
        return OpenedFile(file, groups)

    def _opened(
        self, group: Group, streams: list[bytes], keys: list[int], salvages: bool
    ) -> OpenGroup:
        kind, places = group.kind, group.places
        if kind.is_stored:
            is_whole = len(streams[0]) == group.lengths[0]
            pixels = stored_pixels(streams[0], keys[0]) if is_whole else None
            return OpenGroup(kind, places, pixels, [], [])
        channels = self.model.image_shape[-1]
        if not is_possible(group, channels, sum(map(len, streams))):
            return OpenGroup(kind, places, None, [], [])  # It is cut off.
        stacks = [
            # What is cut off has no images; any words stand for it.
            OpenStack(stream if len(stream) > 3 or not salvages else bytes(8), key)
            for stream, key in zip(streams, keys, strict=True)
        ]
        sized = self._sized(kind.size)
        codes = sized.pop_codes(
            stacks, group.num_images, group.ranges, group.index_bits, salvages
        )
        return OpenGroup(kind, places, None, stacks, codes)

    def _without_model(
        self, group: OpenGroup, salvages: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of a group that is stored or lost, and which are intact."""
        height, width = group.kind.size
        shape = (height, width, group.kind.num_channels(self.model.image_shape[-1]))
        count = len(group.places)
        if group.pixels is not None:
            pixels = np.frombuffer(group.pixels, np.uint8)
            return pixels.reshape(count, *shape), np.ones(count, bool)
        if not salvages:
            raise InputError(
                f"{DAMAGED}: the checksum of {count} stored pictures is another. "
                f"{SALVAGE}"
            )
        return np.zeros([count, 0], np.uint8), np.zeros(count, bool)

    def _groups(
        self,
        kind: Kind,
        places: np.ndarray,
        pictures: np.ndarray,
        labels: np.ndarray | None,
    ) -> Iterator["_EncodedGroup"]:
        """Codes the pictures of a kind, and stores those that become no smaller."""
        sized, bits = self._sized(kind.size), self.settings.index_bits
        images, each = kind.to_model(pictures), kind.images_each
        coded = sized.encode(images, self._label_of(kind, places, labels))
        own_bits = coded.bits(bits).reshape(-1, each).sum(axis=1)
        is_stored = _is_larger(own_bits, pictures)
        kept = np.flatnonzero(~np.repeat(is_stored, each))
        if len(kept):
            lanes = min(self.settings.lanes, len(kept))
            coded, images = coded.some(kept), images[kept]
            stacks = stacks_of_lanes(images, coded, lanes, bits)
            lengths = [len(stack.stream(0)) for stack in stacks]
            # A few pictures may not pay for the streams.
            if sum(lengths) > pictures[~is_stored].size:
                is_stored[:] = True
            else:
                ranges = ranges_of(coded.codes)
                group = Group(
                    kind,
                    places[~is_stored].tolist(),
                    lengths,
                    bits if ranges else 0,
                    ranges,
                )
                latents = b"".join(map(code_bytes, coded.codes))
                yield _EncodedGroup(group, stacks, latents)
        if is_stored.any():
            pixels = pictures[is_stored].tobytes()
            kind = kind._replace(is_stored=True)
            length = CRC_BYTES + len(pixels)
            group = Group(kind, places[is_stored].tolist(), [length])
            yield _EncodedGroup(group, [pixels], b"")

    def _label_of(
        self,
        kind: Kind,
        places: Sequence[int] | np.ndarray,
        labels: np.ndarray | None,
    ) -> np.ndarray | None:
        """The labels of the images that a group's pictures become."""
        if labels is None or not self.model.num_classes:
            return None
        return np.repeat(labels[np.asarray(places)], kind.images_each)

    def _sized(self, size: tuple[int, int]) -> SizedCodec:
        model = self.model.of_size(size)
        if self._last is None or self._last.model.image_shape != model.image_shape:
            self._last = SizedCodec(
                model,
                self._exact,
                self.model.latent_shapes,
                self._candidates,
                self.settings,
                self._progress,
            )
        return self._last


class _EncodedGroup(NamedTuple):
    """A group of a file that is being made."""

    group: Group
    parts: Sequence[Stack | bytes]  # its streams, or pixels
    latents: bytes  # of all its images, for the digest


def _is_larger(bits: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Which pictures take more bits coded than stored, bool [N]."""
    return bits > 8 * pictures[0].size
