"""The networks and models that bin/benchmark.py measures, and their settings."""

from typing import Any, NamedTuple

from agave_tf.settings.config import (
    ComputeConfig,
    Config,
    IAFVAEConfig,
    PixelCNNConfig,
    TrainConfig,
)

# Networks of the paper's size, of a size between, and as in flags/small.flags.
FULL = PixelCNNConfig()
SMALL = PixelCNNConfig(num_resnets=2, num_filters=64)
PRESET = PixelCNNConfig(num_resnets=1, num_filters=32, num_mixtures=5, dropout_rate=0)

PIXEL_CNNS = {"preset": PRESET, "small": SMALL, "full": FULL}


class MeasuredModel(NamedTuple):
    """A model to measure.

    stage: name of the stage that trains it.
    pixel_cnn: settings of the PixelCNN++.
    batch: batch size that suits two CPU cores.
    vae: settings of the VAE, in stages that have one.
    """

    stage: str
    pixel_cnn: PixelCNNConfig
    batch: int
    vae: IAFVAEConfig = IAFVAEConfig()

    def config(self, **compute: Any) -> Config:
        """Returns the whole configuration.

        Args:
          **compute: settings of `ComputeConfig`.
        """
        return Config(
            vae=self.vae,
            pixel_cnn=self.pixel_cnn,
            train=TrainConfig(batch_size=self.batch, warmup_steps=0),
            compute=ComputeConfig(**compute),
        )


MODELS = {
    "preset": MeasuredModel("joint", PRESET, batch=32, vae=IAFVAEConfig(32, 8, 1, 4)),
    "small": MeasuredModel("pretrain_pixel_cnn", SMALL, batch=16),
    "full": MeasuredModel("pretrain_pixel_cnn", FULL, batch=4),
    "small_agave": MeasuredModel(
        "joint", SMALL, batch=16, vae=IAFVAEConfig(64, 16, 1, 6)
    ),
    "full_agave": MeasuredModel("joint", FULL, batch=4),
}

# Settings of `ComputeConfig` to compare, by name.
COMPUTES: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32_jit": {"jit_compile": True},
    "float32_recompute": {"recompute": True},
    "float32_accumulate": {"accumulate_steps": 4},
    "bfloat16": {"compute_dtype": "bfloat16"},
    "bfloat16_jit": {"compute_dtype": "bfloat16", "jit_compile": True},
}
