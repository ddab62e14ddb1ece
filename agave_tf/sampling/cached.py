"""PixelCNN++ sampling at the price of a few forward passes.

Every layer computes each of its outputs once, as soon as the pixels it depends on are
drawn, and keeps it for the pixels that follow (Ramachandran et al. 2017, "Fast
Generation for Convolutional Autoregressive Models"). Four things make a pixel cheap:

  - the down stream sees only rows above, so it is computed a whole row at a time;
  - the contributions to the down-right stream of the row above, the down stream, the
    condition and the label are computed a whole row at a time too, and only the rest,
    half of the kernel, pixel by pixel;
  - a pixel's features are multiplied once, for its own output and for the next one's;
  - the half and the quarter resolution are computed in every second and fourth row and
    column only.

The network is ConditionalPixelCNN itself: its layers, called with a `CausalMemory`.
"""

from collections.abc import Callable

import tensorflow as tf

from agave_tf.layers.causal_memory import CausalMemory, Key, column_of, with_columns
from agave_tf.layers.causal_streams import ResizePair, ResnetPair, SideInputs
from agave_tf.layers.weight_norm import kernels_computed_once
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.models.padding import cut, padded_size
from agave_tf.sampling.pixel_source import PixelSource
from agave_tf.weights.in_use import arithmetic_in_use
from agave_tf.weights.library_internals import without_constant_arguments
from agave_tf.weights.skeletons import function_of_weights


@function_of_weights(jit_compile=True)
def sample_cached(
    pixel_cnn: ConditionalPixelCNN,
    size: tuple[int, int],
    draws: PixelSource,
    condition: list[tf.Tensor] | None = None,
    label: tf.Tensor | None = None,
) -> tf.Tensor:
    """Draws x [B,H,W,C] in [-1,1], in raster order; the result of `sample_plain`.

    It is compiled once for every architecture, arithmetic, size and B.

    Args:
      pixel_cnn: the network.
      size: (H,W).
      draws: the noise of the arithmetic in use, and the pixels to keep.
      condition, label: as `ConditionalPixelCNN` takes them.
    """
    return pixels_in_order(pixel_cnn, size, draws, condition, label)[0]


def pixels_in_order(
    pixel_cnn: ConditionalPixelCNN,
    size: tuple[int, int],
    source: PixelSource,
    condition: list[tf.Tensor] | None = None,
    label: tf.Tensor | None = None,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Gets x [B,H,W,C] in [-1,1] from a source, in raster order; for compiled code.

    Args:
      pixel_cnn: the network.
      size: (H,W), any. To the right of a row the network sees its last pixel repeated,
        as `padding.pad` pads x; below the last row nothing depends on padding.
      source: decides each pixel, given its likelihood.
      condition: as `ConditionalPixelCNN` takes it, for the padded image.
      label: as `ConditionalPixelCNN` takes it.

    Returns:
      x, and the state of the source after the last pixel.
    """
    height, width = size
    _, padded_width = padded_size(size, pixel_cnn.side_multiple)
    if condition:
        padded_width = condition[0].shape[2]  # The VAE may need a larger multiple.
    batch, first_state = source.batch_size, source.first_state()
    num_kept = len(first_state)
    arithmetic = arithmetic_in_use()
    condition = [arithmetic.precise(features) for features in condition or ()]
    side = pixel_cnn.side_inputs(condition, label)
    first_memory = CausalMemory(_first_memory(pixel_cnn, batch, padded_width))

    # The pixels of an image lie in one long row, in raster order, with the padding.
    def draw_row(row: tf.Tensor, pixels: tf.Tensor, *values: tf.Tensor) -> tuple:
        state, values = values[:num_kept], values[num_kept:]
        memory = first_memory.with_values(values)
        start = row * padded_width
        above = tf.maximum(start - padded_width, 0)
        row_above = column_of(pixels, above, padded_width)
        _RowPass(memory, row, side).run(pixel_cnn, row_above)

        def draw_pixel(
            column: tf.Tensor, pixels: tf.Tensor, *values: tf.Tensor
        ) -> tuple:
            state, values = list(values[:num_kept]), values[num_kept:]
            memory = first_memory.with_values(values, column)
            pixel_left = column_of(pixels, tf.maximum(start + column - 1, 0))
            parameters = _PixelPass(memory, row).run(pixel_cnn, pixel_left)
            likelihood = pixel_cnn.likelihood(parameters[:, 0, 0])
            position = row * width + column
            pixel, state = source.next_pixel(likelihood, position, state)
            pixels = with_columns(pixels, pixel[:, None, None], start + column)
            return column + 1, pixels, *state, *memory.values()

        columns = tf.while_loop(
            lambda column, *_: column < width,
            draw_pixel,
            [tf.constant(0), pixels, *state, *memory.values()],
        )
        _, pixels, *results = without_constant_arguments(columns)
        if padded_width > width:
            last = column_of(pixels, start + width - 1)
            padding = tf.repeat(last, padded_width - width, axis=2)
            pixels = with_columns(pixels, padding, start + width)
        return row + 1, pixels, *results

    with kernels_computed_once(pixel_cnn):
        shape = [batch, 1, height * padded_width, pixel_cnn.image_channels]
        blank = arithmetic.zeros(shape)
        rows = tf.while_loop(
            lambda row, *_: row < height,
            draw_row,
            [tf.constant(0), blank, *first_state, *first_memory.values()],
        )
        _, pixels, *values = without_constant_arguments(rows)
    x = tf.reshape(pixels, [batch, height, padded_width, pixel_cnn.image_channels])
    return cut(x, size), values[:num_kept]


def _first_memory(
    pixel_cnn: ConditionalPixelCNN, batch: int, width: int
) -> dict[Key, tf.Tensor]:
    """The memory of every layer before the first row."""
    memory = pixel_cnn.image_input.first_memory(batch, width)
    for stage, layers in enumerate(pixel_cnn.stages):
        resolution = min(stage, len(pixel_cnn.stages) - 1 - stage)
        for layer in layers:
            memory |= layer.first_memory(batch, width >> resolution)
    for resolution in range(pixel_cnn.num_resolutions - 1):
        shrink, enlarge = pixel_cnn.resizes_at(resolution)
        memory |= shrink.first_memory(batch, width >> resolution)
        memory |= enlarge.first_enlarged(batch, width >> resolution)
    return memory


class _RowPass:
    """Computes the down stream's next row, and the row-wise parts of the other stream.

    Args:
      memory: the layers' memory of the rows before.
      row: int32 scalar, the row's number at the current resolution.
      side: the layers' condition and label.
    """

    def __init__(
        self,
        memory: CausalMemory,
        row: tf.Tensor,
        side: SideInputs,
    ):
        self._memory, self._row, self._side = memory, row, side

    def run(self, pixel_cnn: ConditionalPixelCNN, row_above: tf.Tensor) -> None:
        """Prepares the row, given the one above [B,1,W,C], which row 0 ignores."""
        is_first = self._row == 0
        down = pixel_cnn.image_input.begin_row(row_above, is_first, self._memory)
        pixel_cnn.traverse(down, self._apply, self._at_half)

    def _apply(
        self, layer: ResnetPair, down: tf.Tensor, skip: tf.Tensor | None
    ) -> tf.Tensor:
        one_hot_label, condition, *_ = self._side.of_layer(layer.number)
        if condition is not None:
            condition = _rows_of(condition, self._row)
        return layer.next_row(down, skip, one_hot_label, condition, self._memory)

    def _at_half(
        self, shrink: ResizePair, enlarge: ResizePair, down: tf.Tensor, inner: Callable
    ) -> tf.Tensor:
        memory, row = self._memory, self._row
        shrink.down.remember(down, memory)

        def half() -> None:
            known = shrink.down_right.from_above(memory)
            shrink.down_right.begin_row(known, memory)
            self._row = row // 2
            memory[enlarge, "down"] = enlarge.down(inner(shrink.down.step(memory)))
            self._row = row

        memory.update_if(row % 2 == 0, half)
        return _rows_of(memory[enlarge, "down"], row % 2)


class _PixelPass:
    """Computes the down-right stream's next pixel.

    Args:
      memory: the memory after the row pass and the pixels before, with the column.
      row: int32 scalar, the row's number at the current resolution.
    """

    def __init__(self, memory: CausalMemory, row: tf.Tensor):
        self._memory, self._row = memory, row

    def run(self, pixel_cnn: ConditionalPixelCNN, pixel_left: tf.Tensor) -> tf.Tensor:
        """The likelihood's parameters [B,1,1,P], given the pixel to the left [B,1,1,C].

        The first pixel of a row does not read it.
        """
        x = pixel_cnn.image_input.next_pixel(pixel_left, self._memory)
        return pixel_cnn.head(
            arithmetic_in_use().elu(pixel_cnn.traverse(x, self._apply, self._at_half))
        )

    def _apply(
        self, layer: ResnetPair, x: tf.Tensor, skip: tf.Tensor | None
    ) -> tf.Tensor:
        return layer.next_pixel(x, skip, self._memory)

    def _at_half(
        self, shrink: ResizePair, enlarge: ResizePair, x: tf.Tensor, inner: Callable
    ) -> tf.Tensor:
        memory, row, column = self._memory, self._row, self._memory.column
        shrink.down_right.remember(x, memory)

        def half() -> None:
            x = shrink.down_right.step(memory)
            self._row, memory.column = row // 2, column // 2
            enlarged = enlarge.down_right(inner(x))
            self._row, memory.column = row, column
            memory[enlarge, "down_right"] = with_columns(
                memory[enlarge, "down_right"], enlarged, column
            )

        memory.update_if((row % 2 == 0) & (column % 2 == 0), half)
        return column_of(_rows_of(memory[enlarge, "down_right"], row % 2), column)


def _rows_of(x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Row `row` of [B,H,W,F], [B,1,W,F]."""
    batch, _, width, channels = x.shape
    return tf.slice(x, [0, row, 0, 0], [batch, 1, width, channels])
