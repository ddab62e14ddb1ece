"""Likelihoods of held-out images, and what the latents know."""
