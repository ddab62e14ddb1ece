"""The layers that the IAF-VAE and the PixelCNN++ are built from."""

import keras

# Before the first layer is made: the user's keras.json may name another type, in which
# the weights would be made and the images of every layer would come.
keras.config.set_floatx("float32")
