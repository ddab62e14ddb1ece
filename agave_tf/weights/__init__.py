"""The weights of a network: names, one vector, arguments, skeletons."""
