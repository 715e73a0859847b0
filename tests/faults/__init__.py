"""Faults done on purpose to the real stage programs, and what must come of them; the stage run_91 alone uses this."""
