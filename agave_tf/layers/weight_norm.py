"""Weight-normalised convolutions with data-dependent initialisation.

Salimans & Kingma 2016, "Weight Normalization". The two originals parameterise the gain
differently: openai/pixel-cnn multiplies by g, openai/iaf by exp(g).
"""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from agave_tf.layers.convolution import Padding, convolve

_initialization = contextvars.ContextVar("data_dependent_initialization", default=None)
_kernels = contextvars.ContextVar("kernels_computed_once", default=None)

# Below this variance a channel is constant over the batch; dividing by its standard
# deviation would turn rounding noise into gains of 1e4 and more.
_CONSTANT_CHANNEL_VARIANCE = 1e-8


@contextlib.contextmanager
def data_dependent_initialization(convention: str = "sound") -> Iterator[None]:
    """Within this context every weight-normalised layer sets itself on what it sees.

    A layer called here scales and shifts its output to mean 0 and standard deviation
    `init_scale` over the batch, keeps that as its gain and bias, and returns the
    normalised output, so one eager pass through a network initialises all of it.

    Args:
      convention: "sound", or "openai_iaf", which stores exponential gains as
        log(scale)/3 although its own pass scales by `scale` (openai/iaf
        `tf_utils/layers.py`), and normalises constant channels too.
    """
    if convention not in ("sound", "openai_iaf"):
        raise ValueError(
            f"`convention` must be sound or openai_iaf; got {convention!r}."
        )
    token = _initialization.set(convention)
    try:
        yield
    finally:
        _initialization.reset(token)


@contextlib.contextmanager
def kernels_computed_once(network: keras.layers.Layer) -> Iterator[None]:
    """Within this context the layers below `network` use the kernels of its entry.

    For a loop that calls the same layers many times with the same weights.
    """
    layers = [x for x in network._flatten_layers() if isinstance(x, _WeightNormLayer)]
    token = _kernels.set({id(layer): layer.kernel() for layer in layers})
    try:
        yield
    finally:
        _kernels.reset(token)


class _WeightNormLayer(keras.layers.Layer):
    """What the weight-normalised layers share: v, g, b, and how they are initialised.

    `kernel = gain(g) * v / ||v||`, `y = convolve(x, kernel) + b`, with gain(g) = g
    ("linear", openai/pixel-cnn) or exp(g) ("exponential", openai/iaf). v starts from
    N(0, 0.05) as in both originals. A subclass gives the linear map, `convolve`.

    y is of x's dtype, float32 or bfloat16; the variables, the kernel's normalisation
    and the statistics of initialisation are float32.
    """

    _OUT_AXIS: int
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
        # What goes in decides the dtype of the features; Keras would cast to float32.
        super().__init__(name=name, autocast=False)
        if gain not in ("linear", "exponential"):
            raise ValueError(f"`gain` must be linear or exponential; got {gain!r}.")
        self.strides, self.gain, self.init_scale = strides, gain, init_scale
        self.mask = mask
        channels = (kernel_shape[self._OUT_AXIS],)
        self.v = self.add_weight(
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=0.05),
            name="v",
        )
        first_gain = "ones" if gain == "linear" else "zeros"
        self.g = self.add_weight(shape=channels, initializer=first_gain, name="g")
        self.b = self.add_weight(shape=channels, initializer="zeros", name="b")
        self.built = True

    def kernel(self) -> tf.Tensor:
        """The normalised kernel, of v's shape."""
        if (kernels := _kernels.get()) and id(self) in kernels:
            return kernels[id(self)]
        v = tf.convert_to_tensor(self.v)
        if self.mask is not None:
            v *= tf.constant(self.mask, v.dtype)
        # The floor keeps the gradient finite for a direction that is all zero.
        square_norm = tf.reduce_sum(
            tf.square(v), axis=self._NORM_AXES[self.gain], keepdims=True
        )
        direction = v * tf.math.rsqrt(tf.maximum(square_norm, 1e-12))
        g = tf.convert_to_tensor(self.g)
        g = tf.exp(g) if self.gain == "exponential" else g
        return direction * tf.reshape(g, [-1, 1] if self._OUT_AXIS == 2 else [-1])

    def crop(self, y: tf.Tensor) -> tf.Tensor:
        """What is kept of the output; initialisation looks at all of it."""
        return y

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = self.convolve(x, tf.cast(self.kernel(), x.dtype))
        y += tf.cast(self.b, x.dtype)
        convention = _initialization.get()
        if convention is not None:
            y = self._initialize(y, convention)
        return self.crop(y)

    def _initialize(self, y: tf.Tensor, convention: str) -> tf.Tensor:
        """Sets g and b so that `y` would have come out normalised; returns that."""
        dtype, y = y.dtype, tf.cast(y, tf.float32)
        mean, variance = tf.nn.moments(y, axes=[0, 1, 2])
        scale = self.init_scale * tf.math.rsqrt(variance + 1e-10)
        stored_scale = scale
        if convention == "openai_iaf" and self.gain == "exponential":
            stored_scale = scale ** (1 / 3)
        elif convention == "sound":
            scale = tf.where(
                variance > _CONSTANT_CHANNEL_VARIANCE, scale, self.init_scale
            )
            stored_scale = scale
        if self.gain == "exponential":
            self.g.assign(self.g + tf.math.log(stored_scale))
        else:
            self.g.assign(self.g * stored_scale)
        self.b.assign((self.b - mean) * scale)
        return tf.cast((y - mean) * scale, dtype)


class WeightNormConv2D(_WeightNormLayer):
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

    _OUT_AXIS = 3
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
        self.kernel_size, self.in_channels = tuple(kernel_size), in_channels
        self.padding = padding

    def convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if tuple(x.shape[1:3]) == self.kernel_size == (1, 1):
            # One pixel is a matrix product, and as a convolution takes far longer.
            return tf.matmul(x[:, 0, 0], kernel[0, 0])[:, None, None]
        if self.strides == 1:
            return convolve(x, kernel, self._padding())
        if self.padding == "same":
            return tf.nn.conv2d(x, kernel, self.strides, "SAME")
        return tf.nn.conv2d(
            tf.pad(x, ((0, 0), *self.padding, (0, 0))), kernel, self.strides, "VALID"
        )

    def _padding(self) -> Padding:
        """What "same" comes to with stride 1, or what was given."""
        if self.padding != "same":
            return self.padding
        return tuple(((size - 1) // 2, size // 2) for size in self.kernel_size)


class WeightNormConv2DTranspose(_WeightNormLayer):
    """Weight-normalised transposed convolution, [B,H,W,in] -> [B,sH,sW,out].

    v is [kh,kw,out,in]. With the linear gain the norm is taken per output channel; with
    the exponential one per input channel, as openai/iaf `deconv2d` does, while g stays
    per output channel.

    Args:
      in_channels, filters, kernel_size, strides, gain, init_scale, name: as in
        WeightNormConv2D.
      crop: None, "same" padding; or the (top, left) corner at which the sH x sW output
        is cut from the padded one of (sH + kh - 1) x (sW + kw - 1).
    """

    _OUT_AXIS = 2
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
        height, width = (self.strides * side for side in x.shape[1:3])
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
        return tf.nn.conv2d_transpose(x, kernel, shape, self.strides, padding)

    def crop(self, y: tf.Tensor) -> tf.Tensor:
        if self.crop_corner is None:
            return y
        top, left = self.crop_corner
        height = y.shape[1] - (self.kernel_size[0] - 1)
        width = y.shape[2] - (self.kernel_size[1] - 1)
        return y[:, top : top + height, left : left + width]
