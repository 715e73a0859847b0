"""A phantom data set in the shape of SIIM-ACR 2019: drawn chest films with planted pneumothoraces, no patient's image.

recipe: what to make; plans: what a patient has and how each film is taken; thorax: outlines of body and lungs; bones,
vessels: what is seen through them; air: the pneumothorax; overlays: tubes, leads, skin folds and other mimics; films: a
film from all of these; dicom_files: the files' elements; archive: all files and tables. The rest is in
core.phantom_kit.

Millimetres, x to the patient's left (the right of the image), y down, from the middle of the chest. Densities are
attenuations: the logarithm of how many times fewer X-rays come through.
"""
