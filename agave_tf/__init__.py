"""AGAVE: Auxiliary Guided Autoregressive Variational Autoencoders in TensorFlow 2.

Lucas & Verbeek, ECML-PKDD 2018. An image's way through the package, in order:
images -> auxiliary_image -> iaf_vae -> conditional_pixel_cnn -> agave -> objective.
"""

__version__ = "0.1.0"
