"""A phantom data set in the shape of the RSNA 2019 competition: drawn head CT with planted bleeds, no patient's image.

recipe: what to make; skull, head, spaces, brain, face: the anatomy; bleeds: what is planted; plans, studies: the series
of a patient; dicom_files: the files' elements; archive: all files and tables. The rest is in core.phantom_kit.
"""
