"""The page that explains the sequence network on a run's own numbers (stage 82)."""
