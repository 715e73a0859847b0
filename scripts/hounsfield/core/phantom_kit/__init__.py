"""The kit for drawing phantoms: what every anatomy, modality and competition shares, and nothing of any one of them.

seeds: random streams and scrambled numbers; waves: smooth random fields; grid: pixels and millimetres; painting: shapes
given in millimetres; ct_scanner: blur, noise and slice positions; dicom_writer: the bytes of a file; recipe: what a
data set is made of; archive_writer: the zip or folder; program: the command line.
"""
