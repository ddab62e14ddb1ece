"""The likelihoods: one of the auxiliary image, one of the image's pixels."""
