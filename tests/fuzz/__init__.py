"""Damage DICOM files in thousands of seeded ways, read each in a process of its own, and count what comes of it.

`encodings` writes a slice under every transfer syntax that can be written here, `damage` makes mutation NUMBER of a
file, `trial` reads it where a death or a hang costs nothing, `counts` sums up and judges.
"""
