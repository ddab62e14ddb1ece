"""The settings of a sampler, and the record that it returns."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class SamplingSettings(NamedTuple):
    """Settings of drawing images."""

    seed: int = 0  # of every draw
    batch_size: int = 16  # images drawn at a time; changes pictures by rounding only
    z_temperature: float = 1.0  # factor of the noise of z; 1 is the model
    pixel_temperature: float = 1.0  # as in PixelDraws
    finish: bool = True  # False: f(z) alone, nothing drawn by the PixelCNN++
    progress: bool = False  # whether to show it: `progress_bar`
    # Whether every machine draws the same images, bit for bit; with temperatures of 1,
    # and z of the prior. They are other draws than without it.
    exact: bool = False


class PictureRow(NamedTuple):
    """A row of a grid of pictures."""

    caption: str
    images: np.ndarray  # uint8 [B,H,W,C] or [B,h,w,c]


@dataclasses.dataclass(frozen=True)
class Drawn(Sequence[PictureRow]):
    """Images drawn from a model, in B columns; S finished images in each.

    In version 0.2 a sampler returned a list of `rows`. So a Drawn is used like that
    list, too: it has a length, and its rows by number.

    f_z: uint8 [B,h,w,c]; c is 0 for a model without f(z).
    images: uint8 [S,B,H,W,C]; S is 0 where nothing is finished.
    start: the images that the drawing starts from, uint8 [B,H,W,C] by caption.
    num_groups: groups of columns, side by side, that are shown below each other.
    """

    f_z: np.ndarray
    images: np.ndarray
    start: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    num_groups: int = 1

    @property
    def rows(self) -> list[PictureRow]:
        """The rows of all that there is to show, from the top."""
        shown = [PictureRow(caption, images) for caption, images in self.start.items()]
        if self.f_z.shape[-1]:
            shown.append(PictureRow("f(z)", self.f_z))
        for number, images in enumerate(self.images, start=1):
            caption = "sample" if len(self.images) == 1 else f"sample {number}"
            shown.append(PictureRow(caption, images))
        columns = np.split(np.arange(len(self.f_z)), self.num_groups)
        return [
            PictureRow(caption, images[group])
            for group in columns
            for caption, images in shown
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]
