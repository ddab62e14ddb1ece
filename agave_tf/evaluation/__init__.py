"""Scores models on held-out images: bounds, bits/dim, a probe of the latents."""
