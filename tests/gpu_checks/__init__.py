"""Whether everything computes on a GPU what it computes on the CPU, and how fast."""
