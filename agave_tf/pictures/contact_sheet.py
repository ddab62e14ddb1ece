"""A sheet of the strangest images: each in a row, beside its f(z) and maps of bits."""

from collections.abc import Sequence

import numpy as np
import PIL.Image
from absl import logging
from PIL import ImageDraw, ImageFont

from agave_tf.data.image_set import Images
from agave_tf.data.mixed_images import MixedImages
from agave_tf.evaluation.outlier_table import described, shown_name
from agave_tf.evaluation.outliers import OutlierScores
from agave_tf.models.image_model import ImageModel
from agave_tf.pictures.bits_map import SizedPictures, bits_maps
from agave_tf.pictures.grid import Grid, write_strips
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.scoring import ScoringSettings

# Pixels along a side of a cell: an image of 32x32 is enlarged four times.
_CELL = 128
_GAP = 4
_LINE = 14  # pixels of a line of words
# Characters of a name that a caption shows, from its end: directories come first.
_MOST_SHOWN = 32


def write_contact_sheet(
    path: str,
    model: ImageModel,
    images: Images,
    scores: OutlierScores,
    settings: ScoringSettings,
    count: int,
) -> None:
    """Writes a PNG of the images with the highest scores, whole or not at all.

    Of images that were scored in tiles it shows the centre, for which memory suffices.

    Args:
      path: the file to write.
      model: the model that scored the images.
      images: the data set.
      scores: of its images.
      settings: with which they were scored; the score to rank by is among them.
      count: how many images.
    """
    rows, name = scores.strangest(settings.rank_by, count), settings.rank_by
    captions = [
        f"{rank}. {shown_name(scores.name[row], _MOST_SHOWN)}\n"
        f"{name} {described(scores, name, row)}"
        for rank, row in enumerate(rows, start=1)
    ]
    tile = parse_image_size(settings.tile_size, "tile_size")
    shown = _centres(images.take(scores.index[rows]), tile)
    # One at a time: each has colours of its own, and may be large.
    lines = [
        _line(bits_maps(model, shown.take(np.array([place])), settings.evaluation_seed))
        for place in range(len(rows))
    ]
    grid = Grid(lines, gap=_GAP, captions=captions)
    write_strips(path, grid.shape, grid.strips())


def _centres(images: Images, size: tuple[int, int] | None) -> Images:
    """The centres of images that are larger than tiles."""
    if size is None or (images.sizes <= size).all():
        return images
    centres = []
    for place, sides in enumerate(images.sizes):
        top, left = np.maximum(sides - size, 0) // 2
        centres.append(images.image[place][top:, left:][: size[0], : size[1]])
    logging.info("The contact sheet has the centres of images that have tiles.")
    return Images(MixedImages.of(centres).simplest(), images.label)


def _line(kinds: Sequence[SizedPictures]) -> np.ndarray:
    """An image, its f(z) and its maps below their captions, uint8 [kinds,H,S,3]."""
    cells = [(_words(kind.caption), _in_cell(kind.pictures[0])) for kind in kinds]
    return np.stack([np.concatenate(cell) for cell in cells])


def _in_cell(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [h,w,c] in the middle of a white cell [S,S,3].

    A small one is enlarged by a whole factor, and one larger than the cell made
    smaller.
    """
    if picture.shape[-1] == 1:
        picture = picture.repeat(3, axis=-1)
    longest = max(picture.shape[:2])
    if longest > _CELL:
        height, width = (max(1, side * _CELL // longest) for side in picture.shape[:2])
        box = PIL.Image.Resampling.BOX
        smaller = PIL.Image.fromarray(picture).resize((width, height), box)
        picture = np.asarray(smaller)
    factor = max(1, _CELL // longest)
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    cell = np.full((_CELL, _CELL, 3), 255, np.uint8)
    height, width = picture.shape[:2]
    top, left = (_CELL - height) // 2, (_CELL - width) // 2
    cell[top : top + height, left : left + width] = picture
    return cell


def _words(caption: str) -> np.ndarray:
    """Two lines of words on white, as wide as a cell, uint8 [h,S,3]."""
    font = ImageFont.load_default()
    lines = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > _CELL:
            lines.append(word)
        else:
            lines[-1] = longer
    picture = PIL.Image.new("RGB", (_CELL, 2 * _LINE), "white")
    draw = ImageDraw.Draw(picture)
    # The last line stands just above the cell.
    for place, line in enumerate(reversed(lines[:2])):
        height = (2 - place) * _LINE - 2
        draw.text((0, height), line, fill="black", font=font, anchor="ls")
    return np.asarray(picture)
