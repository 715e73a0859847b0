"""The layout in which the 2nd place published its embeddings in 2019, and the inert reading of its pickles."""
