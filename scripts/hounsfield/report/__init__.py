"""The report of a finished run: one page, its figures, its numbers as JSON, and a model card."""
