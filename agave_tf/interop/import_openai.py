"""Makes run directories from checkpoints of openai/pixel-cnn and openai/iaf.

The network is inferred from the shapes of the variables.
"""

import dataclasses

from agave_tf.errors import InputError
from agave_tf.interop.openai_checkpoint import (
    OpenAICheckpoint,
    read_openai_checkpoint,
)
from agave_tf.interop.openai_names import (
    assign_originals,
    iaf_vae_variables,
    pixel_cnn_variables,
)
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.models.vae_model import VAEModel
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.stages import STAGES
from agave_tf.settings.config import (
    AuxiliaryConfig,
    Config,
    DataConfig,
    IAFVAEConfig,
    PixelCNNConfig,
    TrainConfig,
)
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.stages import IMPORTED_STAGES
from agave_tf.weights.named_weights import named_weights
from agave_tf.whole_file import check_new_directory, new_directory


def import_openai(
    kind: str, path: str, run_dir: str, nonlinearity: str, data: DataConfig
) -> RunDirectory:
    """Makes a run directory from a checkpoint, whole or not at all.

    Args:
      kind: a key of IMPORTED_STAGES.
      path: a name of the checkpoint, as `find_prefix` takes it.
      run_dir: the directory to make.
      nonlinearity: elu or relu, if the shapes leave the choice; empty: concat_elu.
      data: the data set to evaluate the run on; its image_size is the run's (empty: 32,
        the original's).

    Raises:
      InputError: `run_dir` exists, the checkpoint is missing or damaged, or one of its
        variables is missing, unknown or of another shape.
    """
    check_new_directory("run_dir", run_dir)
    checkpoint = read_openai_checkpoint(path)
    stage = STAGES[IMPORTED_STAGES[kind]]
    if stage.has("vae"):
        config, channels = _vae_config(checkpoint)
    else:
        config, channels = _pixel_cnn_config(checkpoint, nonlinearity)
    config = dataclasses.replace(config, data=data)
    size = parse_image_size(data.image_size) or (32, 32)
    origin = checkpoint.prefix
    run = RunDirectory(run_dir, stage, config, (*size, channels), origin)
    model = run.make_model()
    if isinstance(model, VAEModel):
        assign_originals(iaf_vae_variables(model.vae), checkpoint.weights)
    elif isinstance(model, PixelCNNModel):
        assign_originals(pixel_cnn_variables(model.pixel_cnn), checkpoint.weights)
    weights = {name: value.numpy() for name, value in named_weights(model).items()}
    # A crash between two files leaves nothing, so that the import can be repeated.
    with new_directory(run_dir) as directory:
        unfinished = dataclasses.replace(run, path=directory)
        unfinished.write_config()
        unfinished.write_weights(weights, checkpoint.step)
    return dataclasses.replace(run, step=checkpoint.step, weights=weights)


def _pixel_cnn_config(
    checkpoint: OpenAICheckpoint, nonlinearity: str
) -> tuple[Config, int]:
    """Infers the network's settings and the number of channels of its images."""
    *_, channels_and_one, filters = checkpoint.shape("model/conv2d_0/V", 4)
    channels = channels_and_one - 1  # The network adds a channel of ones.
    # With q resnets a stage: each of the 3 q layers before the middle has one dense
    # layer, each of the 3 q + 2 after it has two, and the head is one.
    num_dense = checkpoint.count(r"model/dense_\d+/V")
    resnets, rest = divmod(num_dense - 5, 9)
    if rest or resnets < 1:
        raise InputError(
            "`checkpoint` must have 9 q + 5 dense layers, for q resnets a stage; "
            f"{checkpoint.prefix} has {num_dense}. Is --kind right?"
        )
    num_outputs = checkpoint.shape(f"model/dense_{num_dense - 1}/V", 2)[1]
    per_mixture = 10 if channels == 3 else 3
    # The first convolution in a gated resnet, after the nonlinearity.
    is_doubled = checkpoint.shape("model/conv2d_3/V", 4)[2] == 2 * filters
    if is_doubled != (nonlinearity in ("", "concat_elu")):
        required = "concat_elu" if is_doubled else "elu or relu"
        raise InputError(
            f"`nonlinearity` must be {required} for {checkpoint.prefix}, by the shapes "
            f"of its variables; got {nonlinearity or 'nothing'}."
        )
    class_weights = "model/conditional_weights_0/hw"
    has_classes = class_weights in checkpoint.weights
    pixel_cnn = PixelCNNConfig(
        num_resnets=resnets,
        num_filters=filters,
        num_mixtures=num_outputs // per_mixture,
        nonlinearity=nonlinearity or "concat_elu",
        num_classes=checkpoint.shape(class_weights, 2)[0] if has_classes else 0,
    )
    train = TrainConfig(pretrain_pixel_cnn_steps=checkpoint.step)
    return Config(pixel_cnn=pixel_cnn, train=train), channels


def _vae_config(checkpoint: OpenAICheckpoint) -> tuple[Config, int]:
    """Infers the network's settings and the number of channels of its images."""
    channels = checkpoint.shape("model/x_enc/V", 4)[2]
    *_, z, hidden = checkpoint.shape("model/IAF_0_0/ar_multiconv2d/layer_0/V", 4)
    vae = IAFVAEConfig(
        hidden_channels=hidden,
        z_channels=z,
        num_resolutions=checkpoint.count(r"model/IAF_\d+_0/up_conv1/V"),
        num_layers_per_resolution=checkpoint.count(r"model/IAF_0_\d+/up_conv1/V"),
    )
    train = TrainConfig(pretrain_vae_steps=checkpoint.step)
    auxiliary = AuxiliaryConfig(open_tails=False)
    return Config(vae=vae, auxiliary=auxiliary, train=train), channels
