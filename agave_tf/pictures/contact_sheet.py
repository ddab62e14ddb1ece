"""A sheet of the strangest images: each in a row, beside its f(z) and maps of bits."""

import math
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
from agave_tf.pictures.bits_map import bits_maps
from agave_tf.pictures.grid import Grid, write_strips
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.scoring import ScoringSettings

# Pixels along a side of a cell: an image of 32x32 is enlarged four times.
_CELL = 128
_GAP = 4
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
        f"{rank}  {shown_name(scores.name[row], _MOST_SHOWN)}\n"
        f"{name} {described(scores, name, row)}"
        for rank, row in enumerate(rows, start=1)
    ]
    tile = parse_image_size(settings.tile_size, "tile_size")
    shown = _centres(images.take(scores.index[rows]), tile)
    # One at a time: they may be large.
    kinds = bits_maps(model, shown, settings.evaluation_seed, batch_size=1)
    columns = [[_in_cell(picture) for picture in kind.pictures] for kind in kinds]
    lines = [np.stack(cells) for cells in zip(*columns, strict=True)]
    grid = Grid(lines, gap=_GAP, captions=captions)
    heads = _heads([kind.caption for kind in kinds], grid.shape[1])
    height, width, channels = grid.shape
    shape = (height + len(heads), width, channels)
    write_strips(path, shape, [heads, *grid.strips()])


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


def _in_cell(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [h,w,c] in the middle of a white cell [S,S,3]."""
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


def _heads(captions: Sequence[str], width: int) -> np.ndarray:
    """Draws words above columns on white, uint8 [h,width,3].

    Args:
      captions: one for each column, which is broken into lines of a cell's width.
      width: of the sheet; the columns end at its right edge.
    """
    font = ImageFont.load_default()
    texts = [_broken(caption, font) for caption in captions]
    num_lines = max(text.count("\n") + 1 for text in texts)
    line = math.ceil(1.4 * font.getbbox("Ag")[3])
    picture = PIL.Image.new("RGB", (width, num_lines * line + _GAP), "white")
    draw = ImageDraw.Draw(picture)
    step = _CELL + _GAP
    left = width - len(captions) * step
    for place, text in enumerate(texts):
        draw.text((left + place * step, _GAP), text, fill="black", font=font)
    return np.asarray(picture)


def _broken(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A text with line breaks between words, so that lines are no wider than a cell."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > _CELL:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)
