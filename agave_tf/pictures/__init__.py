"""What a person sees of a model: rows and grids of images."""
