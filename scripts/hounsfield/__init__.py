"""Hounsfield: radiology studies in, findings out. The library behind the stages in `bin/`."""
