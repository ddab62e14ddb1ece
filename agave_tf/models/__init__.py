"""The IAF-VAE, the PixelCNN++, AGAVE, which joins them, and the objective."""
