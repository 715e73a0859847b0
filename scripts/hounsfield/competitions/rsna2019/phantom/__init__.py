"""A phantom data set in the shape of the RSNA 2019 competition: drawn head CT with planted bleeds, no patient's image.

recipe: what to make; grid, waves: pixels, millimetres and smooth random fields; skull, head, spaces, brain, face: the
anatomy; bleeds: what is planted; plans, studies: a patient's series; dicom_files: headers and bytes; archive: the zip.
"""
