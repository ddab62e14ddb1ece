"""Pictures to bytes and back, bit for bit, with a model as the code."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from agave_tf.codec.container import (
    Container,
    Group,
    Kind,
    container_of,
    is_container,
)
from agave_tf.codec.one_size import (
    Decoded,
    Encoded,
    Kept,
    Progress,
    SizedCodec,
    no_progress,
)
from agave_tf.data.image_set import Images
from agave_tf.data.labels import class_numbers
from agave_tf.data.mixed_images import MixedImages
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.settings.coding import CodecSettings
from agave_tf.settings.image_size import check_image_sides
from agave_tf.weights.named_weights import fingerprint, named_weights

# Pictures of any sizes: an array [N,H,W,C], or arrays [H,W,C].
Pictures = np.ndarray | MixedImages | Sequence[np.ndarray]


class Codec:
    """Codes pictures with a model that has a PixelCNN++, alone or with a VAE.

    Pictures may have any sizes, each its own, and be gray or RGB, whatever the model's
    images are. Those of one size are coded together. One that the model would make
    larger than its pixels is stored as it is.

    Files decode with the same weights, in the same version of agave_tf and TensorFlow,
    on a CPU with the same instructions, with as many threads: what differs is named.
    The process sets its threads before it uses TensorFlow otherwise, to one for files
    that decode on machines with other numbers of cores:

        tf.config.threading.set_intra_op_parallelism_threads(1)

    Args:
      model: the model.
      settings: the settings of the encoder; None: the defaults.
      progress: called after every batch.

    Raises:
      InputError: the model is a VAE alone.
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
        # The coder of the last size: that of another one is compiled anew.
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
        kinds = self._kinds(images)
        kept = self._checked(len(images), labels, names)
        if (
            isinstance(images, np.ndarray)
            and images.shape[1:] == self.model.image_shape
        ):
            # A file of one archive, if all of them are better coded.
            coded = self._coded(Kind(self.model.image_shape[:2]), images, kept)
            if not _is_larger(coded, images).any():
                return coded.content
        groups: list[Group] = []
        for kind in sorted(set(kinds)):
            places = np.array([i for i, own in enumerate(kinds) if own == kind])
            pictures = np.stack([images[place] for place in places])
            groups += self._groups(kind, places, pictures, kept.labels)
        return Container(len(images), groups, kept.names, kept.labels).to_bytes()

    def decode(self, data: bytes) -> Decoded:
        """Decodes the pictures of a file, bit for bit.

        Raises:
          InputError: the file is damaged, of another format, or was made with another
            model or in another environment; the message names both sides.
        """
        return self._read(
            data, lambda codec, content, label: codec.decode(content, label)
        )

    def preview(self, data: bytes) -> Decoded:
        """Decodes f(z) of every picture, uint8 [h,w,c], from the first part of streams.

        Pictures that are stored come as they are.

        Raises:
          InputError: as `decode`; or the model has no VAE.
        """
        if not isinstance(self.model, LatentVariableModel):
            raise InputError("`preview` must have a model with a VAE; got none.")
        return self._read(data, lambda codec, content, _: codec.preview(content))

    def _read(
        self,
        data: bytes,
        read: Callable[[SizedCodec, bytes, np.ndarray | None], Decoded],
    ) -> Decoded:
        """Reads the archive of every group, and puts the pictures in their places."""
        if not is_container(data):
            return read(self._sized(self.model.image_shape[:2]), data, None)
        channels = self.model.image_shape[-1]
        container = container_of(data, channels)
        images: list[np.ndarray] = [np.zeros(0, np.uint8)] * container.num_images
        for group in container.groups:
            kind = group.kind
            if kind.is_stored:
                pictures = group.pixels(channels)
            else:
                label = self._label_of(kind, group.places, container.labels)
                decoded = read(self._sized(kind.size), group.content, label).images
                count = len(group.places) * (3 if kind.is_planes else 1)
                if len(decoded) != count:
                    raise InputError(
                        f"The file of coded images is damaged: {len(decoded)} pictures "
                        f"of {count}."
                    )
                assert isinstance(decoded, np.ndarray)
                pictures = kind._replace(size=decoded.shape[1:3]).from_model(decoded)
            for place, picture in zip(group.places, pictures, strict=True):
                images[place] = picture
        alike = len({image.shape for image in images}) == 1
        found = np.stack(images) if alike else images
        return Decoded(found, container.labels, container.names)

    def _groups(
        self,
        kind: Kind,
        places: np.ndarray,
        pictures: np.ndarray,
        labels: np.ndarray | None,
    ) -> Iterator[Group]:
        """Codes the pictures of a kind, and stores those that become no smaller."""
        is_stored = np.zeros(len(places), bool)
        content = b""
        while not is_stored.all():
            label = self._label_of(kind, places[~is_stored], labels)
            coded = self._coded(kind, pictures[~is_stored], Kept(), label)
            larger = _is_larger(coded, pictures[~is_stored])
            if not larger.any():
                content = coded.content
                break
            is_stored[np.flatnonzero(~is_stored)[larger]] = True
        # A few pictures may not pay for the header of an archive.
        if len(content) > pictures[~is_stored].size:
            is_stored[:] = True
        if not is_stored.all():
            yield Group(kind, places[~is_stored], content)
        if is_stored.any():
            yield Group(
                kind._replace(is_stored=True),
                places[is_stored],
                pictures[is_stored].tobytes(),
            )

    def _coded(
        self,
        kind: Kind,
        pictures: np.ndarray,
        kept: Kept,
        label: np.ndarray | None = None,
    ) -> Encoded:
        if label is None and self.model.num_classes:
            label = kept.labels
        images = kind.to_model(pictures)
        encoded = self._sized(kind.size).encode(images, label, kept)
        if kind.is_planes:
            bits = encoded.bits.reshape(-1, 3).sum(axis=1)
            return encoded._replace(bits=bits)
        return encoded

    def _label_of(
        self, kind: Kind, places: np.ndarray, labels: np.ndarray | None
    ) -> np.ndarray | None:
        """The labels of the images that a group's pictures become."""
        if labels is None or not self.model.num_classes:
            return None
        return np.repeat(labels[places], 3 if kind.is_planes else 1)

    def _sized(self, size: tuple[int, int]) -> SizedCodec:
        model = self.model.of_size(size)
        if self._last is None or self._last.model.image_shape != model.image_shape:
            self._last = SizedCodec(
                model,
                self.settings,
                self.model.latent_shapes,
                self._weights,
                self._progress,
            )
        return self._last

    def _kinds(self, images: Pictures) -> list[Kind]:
        """The kind of every picture; raises InputError for what is none."""
        channels = self.model.image_shape[-1]
        if isinstance(images, np.ndarray) and images.ndim != 4 or not len(images):
            raise InputError(
                "`images` must be uint8 [N,H,W,C], or arrays [H,W,C], N at least 1; "
                f"got {_described(images)}."
            )
        kinds = []
        for image in (images[place] for place in range(len(images))):
            if (
                image.dtype != np.uint8
                or image.ndim != 3
                or image.shape[2] not in (1, 3)
            ):
                raise InputError(
                    "`images` must be uint8 [H,W,C], C 1 or 3; got "
                    f"{image.dtype} {list(image.shape)}."
                )
            height, width, own = image.shape
            check_image_sides(height, width, "images")
            kinds.append(
                Kind((height, width), False, channels > own == 1, channels < own)
            )
        return kinds

    def _checked(
        self,
        count: int,
        labels: np.ndarray | None,
        names: Sequence[str] | None,
    ) -> Kept:
        for name, values in (("labels", labels), ("names", names)):
            if values is not None and len(values) != count:
                raise InputError(
                    f"`{name}` must be one for each of {count} images; got "
                    f"{len(values)}."
                )
        if names is not None and any("\0" in name for name in names):
            raise InputError("`names` must not have the character 0.")
        if labels is not None:
            labels = class_numbers(np.asarray(labels), "`labels` must be", "got", -1)
        none = np.zeros([count, 1, 1, 1], np.uint8)
        Images(none, labels).check_labels(self.model.num_classes)
        return Kept(names, labels)


def _is_larger(coded: Encoded, pictures: np.ndarray) -> np.ndarray:
    """Which pictures take more bits coded than stored, bool [N]."""
    return coded.bits > 8 * pictures[0].size


def _described(images: Pictures) -> str:
    if isinstance(images, np.ndarray):
        return f"{images.dtype} {list(images.shape)}"
    return f"{len(images)} pictures"
