"""Drawing images from a PixelCNN++, pixel by pixel."""
