"""The likelihoods: of the auxiliary image, and of the image."""
