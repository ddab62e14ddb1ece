"""Weight-normalised convolutions.

Salimans & Kingma 2016, "Weight Normalization", Eq. 2. The two originals parameterise
the gain differently: openai/pixel-cnn multiplies by g, openai/iaf by exp(g).
"""

from contextlib import AbstractContextManager

import keras
import numpy as np
import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.convolution import (
    Padding,
    convolve,
    normalized_kernel,
    sides_of,
)
from agave_tf.layers.initializing_pass import InitializingPass, initializing_pass
from agave_tf.weights.in_use import (
    KernelParts,
    arithmetic_in_use,
    kernel_in_use,
    using_kernels,
    value_of,
)
from agave_tf.weights.library_internals import all_layers
from agave_tf.weights.skeletons import check_eager

# Below this variance a channel is constant over the batch; dividing by its standard
# deviation would turn rounding noise into gains of 1e4 and more.
_CONSTANT_CHANNEL_VARIANCE = 1e-8


def kernels_computed_once(network: keras.layers.Layer) -> AbstractContextManager:
    """A context in which the layers below `network` use the kernels of its entry.

    For a loop that calls the same layers many times with the same weights.

    Raises:
      InputError: as `check_eager`.
    """
    check_eager()
    places = {id(weight): place for place, weight in enumerate(network.weights)}
    layers = [x for x in all_layers(network) if isinstance(x, WeightNormLayer)]
    return using_kernels(
        network, {places[id(layer.v)]: layer.kernel_parts() for layer in layers}
    )


class WeightNormLayer(BaseLayer):
    """The shared part of weight-normalised layers: v, g, b and their initialisation.

        kernel = gain(g) * v / ||v||
        y = convolve(x, kernel) + b

    with gain(g) = g ("linear", openai/pixel-cnn) or exp(g) ("exponential", openai/iaf).
    v starts from N(0, 0.05) as in both originals. A subclass defines the linear map,
    `convolve`. Within `data_dependent_initialization` a call sets g and b.

    y has x's dtype, float32 or bfloat16; the variables, the kernel's normalisation and
    the statistics of initialisation are float32. In exact arithmetic all are float64.
    """

    out_axis: int  # axis of v along which the outputs are
    _NORM_AXES: dict[str, tuple[int, int, int]]

    def __init__(
        self,
        kernel_shape: tuple[int, int, int, int],
        strides: int,
        gain: str,
        init_scale: float,
        mask: np.ndarray | None,
        name: str | None,
    ):
        super().__init__(name)
        if gain not in ("linear", "exponential"):
            raise ValueError(f"`gain` must be linear or exponential; got {gain!r}.")
        self.strides, self.gain, self.init_scale = strides, gain, init_scale
        self.mask = mask
        channels = (kernel_shape[self.out_axis],)
        self.v = self.add_weight(
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=0.05),
            name="v",
        )
        first_gain = "ones" if gain == "linear" else "zeros"
        self.g = self.add_weight(shape=channels, initializer=first_gain, name="g")
        self.b = self.add_weight(shape=channels, initializer="zeros", name="b")
        self.built = True

    @property
    def norm_axes(self) -> tuple[int, int, int]:
        """The axes of v that its norm is taken over."""
        return self._NORM_AXES[self.gain]

    def kernel(self) -> tf.Tensor:
        """The normalised kernel, of v's shape."""
        if (parts := kernel_in_use(self.v)) is not None:
            return parts["whole"]
        v = value_of(self.v)
        if not arithmetic_in_use().is_trainable:
            return v  # The kernel stands in for it (exact_weights.py).
        if self.mask is not None:
            v *= tf.constant(self.mask, v.dtype)
        g = value_of(self.g)
        g = tf.exp(g) if self.gain == "exponential" else g
        return normalized_kernel(v, g, self.norm_axes, self.out_axis)

    def kernel_parts(self) -> KernelParts:
        """The kernel, `whole`, and what a loop that uses it computes once."""
        return kernel_in_use(self.v) or {"whole": self.kernel()}

    def bounded(self, x: tf.Tensor) -> tf.Tensor:
        """The input of the products; exact arithmetic cuts it to keep sums exact."""
        if arithmetic_in_use().is_trainable:
            return x
        bound = value_of(self.g)[0]  # It stands in for g (exact_weights.py).
        return tf.clip_by_value(x, -bound, bound)

    def crop(self, y: tf.Tensor) -> tf.Tensor:
        """Cuts the output to its size; initialisation looks at the whole output."""
        return y

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = self.convolve(self.bounded(x), tf.cast(self.kernel(), x.dtype))
        y += tf.cast(value_of(self.b), x.dtype)
        initializing = initializing_pass()
        if initializing is not None:
            y = self._initialize(y, initializing)
        return arithmetic_in_use().rounded(self.crop(y))

    def _initialize(self, y: tf.Tensor, initializing: InitializingPass) -> tf.Tensor:
        """Sets g and b so that `y` would have come out normalised; returns that."""
        initializing.num_layers += 1
        dtype, y = y.dtype, tf.cast(y, tf.float32)
        mean, variance = tf.nn.moments(y, axes=[0, 1, 2])
        scale = self.init_scale * tf.math.rsqrt(variance + 1e-10)
        if not initializing.as_openai_iaf:
            scale = tf.where(
                variance > _CONSTANT_CHANNEL_VARIANCE, scale, self.init_scale
            )
        if self.gain == "exponential":
            log_scale = tf.math.log(scale)
            self.g.assign(self.g + log_scale / (3 if initializing.as_openai_iaf else 1))
        else:
            self.g.assign(self.g * scale)
        self.b.assign((self.b - mean) * scale)
        return tf.cast((y - mean) * scale, dtype)


class WeightNormConv2D(WeightNormLayer):
    """Weight-normalised convolution, [B,H,W,in] -> [B,ceil(H/s),ceil(W/s),out].

    Args:
      in_channels: channels of the input.
      filters: channels of the output.
      kernel_size: (height, width) of the kernel.
      strides: s, the same in both directions.
      padding: "same", or zeros to add as ((top, bottom), (left, right)).
      gain: "linear" (openai/pixel-cnn) or "exponential" (openai/iaf).
      init_scale: standard deviation of the output after data-dependent initialisation;
        0 gives a layer that starts as zero, and still has a gradient for its gain.
      mask: constant multiplied into v, [kh,kw,in,out], or None.
      name: of the layer.
    """

    out_axis = 3
    _NORM_AXES = {"linear": (0, 1, 2), "exponential": (0, 1, 2)}

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: tuple[int, int] = (1, 1),
        strides: int = 1,
        padding: str | Padding = "same",
        gain: str = "linear",
        init_scale: float = 1.0,
        mask: np.ndarray | None = None,
        name: str | None = None,
    ):
        shape = (*kernel_size, in_channels, filters)
        super().__init__(shape, strides, gain, init_scale, mask, name)
        height, width = kernel_size
        self.kernel_size, self.in_channels = (height, width), in_channels
        self.padding = padding

    def convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        arithmetic = arithmetic_in_use()
        if tuple(x.shape[1:3]) == self.kernel_size == (1, 1):
            # One pixel is a matrix product, and as a convolution takes far longer.
            return arithmetic.matmul(x[:, 0, 0], kernel[0, 0])[:, None, None]
        if self.strides == 1:
            return convolve(x, kernel, self._padding())
        if self.padding == "same":
            return arithmetic.conv2d(x, kernel, self.strides, "SAME")
        return arithmetic.conv2d(
            tf.pad(x, ((0, 0), *self.padding, (0, 0))), kernel, self.strides, "VALID"
        )

    def _padding(self) -> Padding:
        """The zeros to add for stride 1, ((top, bottom), (left, right))."""
        if not isinstance(self.padding, str):
            return self.padding
        height, width = self.kernel_size
        return ((height - 1) // 2, height // 2), ((width - 1) // 2, width // 2)


class WeightNormConv2DTranspose(WeightNormLayer):
    """Weight-normalised transposed convolution, [B,H,W,in] -> [B,sH,sW,out].

    v is [kh,kw,out,in]. With the linear gain the norm is taken per output channel; with
    the exponential one per input channel, as openai/iaf `deconv2d` does, while g stays
    per output channel.

    Args:
      in_channels, filters, kernel_size, strides, gain, init_scale, name: as in
        WeightNormConv2D.
      crop_corner: (top, left) corner at which the sH x sW output is cut from the whole
        one of (sH + kh - 1) x (sW + kw - 1); None: "same" padding, nothing to cut.
    """

    out_axis = 2
    _NORM_AXES = {"linear": (0, 1, 3), "exponential": (0, 1, 2)}

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: tuple[int, int],
        strides: int = 2,
        crop_corner: tuple[int, int] | None = None,
        gain: str = "linear",
        init_scale: float = 1.0,
        name: str | None = None,
    ):
        shape = (*kernel_size, filters, in_channels)
        super().__init__(shape, strides, gain, init_scale, None, name)
        self.kernel_size, self.filters = kernel_size, filters
        self.crop_corner = crop_corner

    def convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        batch = tf.shape(x)[0]
        height, width = (self.strides * side for side in sides_of(x))
        if self.crop_corner is None:
            shape, padding = [batch, height, width, self.filters], "SAME"
        else:
            kernel_height, kernel_width = self.kernel_size
            shape = [
                batch,
                height + kernel_height - 1,
                width + kernel_width - 1,
                self.filters,
            ]
            padding = "VALID"
        return arithmetic_in_use().conv2d_transpose(
            x, kernel, shape, self.strides, padding
        )

    def crop(self, y: tf.Tensor) -> tf.Tensor:
        if self.crop_corner is None:
            return y
        top, left = self.crop_corner
        height, width = (
            side - (kernel_side - 1)
            for side, kernel_side in zip(sides_of(y), self.kernel_size, strict=True)
        )
        return tf.slice(y, [0, top, left, 0], [-1, height, width, -1])
