"""How fast and how large the hemorrhage system's work is, beside the published algorithm written plainly."""
