"""The layers the two decoders are built from."""
