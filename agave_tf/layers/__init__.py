"""The layers that the IAF-VAE and the PixelCNN++ are built from."""
