"""Pictures of a model for people: rows and grids of images."""
