"""The two arithmetics that layers and likelihoods compute with: float and exact."""
