"""Reads the parts of a source of images."""

import numpy as np


def part(source, name):
    """All images and labels of a part, and checks what every part promises."""
    chunks = list(source.parts[name].chunks())
    image = np.concatenate([chunk.image for chunk in chunks])
    assert image.dtype == np.uint8 and image.ndim == 4
    assert len(image) == source.parts[name].num_images
    if chunks[0].label is None:
        return image, None
    label = np.concatenate([chunk.label for chunk in chunks])
    assert label.dtype == np.int32 and len(label) == len(image)
    return image, label.tolist()
