"""The networks of the spine system."""
