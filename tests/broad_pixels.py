"""Models to code images with, though they have not been trained."""

from tiny import tiny_model

from agave_tf.weights.named_weights import named_weights

NETWORK = {"num_pixel_cnn_resolutions": 1, "num_layers_per_resolution": 1}


def model_with_broad_pixels(stage="joint", images=None, **settings):
    """A model whose levels are all likelier than 1e-4, and whose z costs some bits."""
    model = tiny_model(stage, images, **{**NETWORK, **settings})
    weights = named_weights(model)
    mixtures, channels = 2, model.image_shape[-1]
    head = weights["pixel_cnn/head/b"].numpy()
    of_channels = head[mixtures:].reshape(channels, -1, mixtures)
    of_channels[:, 1] -= 1  # Log-scales, which are about 0 after initialisation.
    weights["pixel_cnn/head/b"].assign(head)
    weights["pixel_cnn/head/g"].assign(weights["pixel_cnn/head/g"] * 0.05)
    if model.latent_shapes:
        up = weights["vae/level_0_0/up_in/b"].numpy()
        up[:2] += 1.5  # The means of q(z|x).
        weights["vae/level_0_0/up_in/b"].assign(up)
    return model
