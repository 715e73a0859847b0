"""The test files that come with pydicom: where they lie, and what the reader makes of each.

They are real files, small, and there wherever pydicom is installed. They are taken from the folder itself: pydicom's
own functions for them would fetch further files from the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pydicom

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
CHARACTER_SETS = FOLDER.parent / "charset_files"
ANY_IMAGE = frozenset({"CR", "CT", "DX", "MR", "NM", "OT"})
USED = "used"

# Real heads: of 512 x 512 pixels, JPEG 2000; the first with its sign stated wrongly, the second compressed with loss.
HEAD_CT, LOSSY_HEAD_CT = FOLDER / "J2K_pixelrep_mismatch.dcm", FOLDER / "693_J2KI.dcm"
SMALL_CT = FOLDER / "CT_small.dcm"  # an abdomen of 128 x 128 pixels below a header of 262 elements, private ones too
HEAD_SERIES = "dicomdirtests/98892001/CT5N"  # five slices, cut to 16 x 16 pixels; their names go from the top down

# A file, or a pattern for several; what becomes of it where only CT is wanted, and where any grey image is: `used` or
# the refusal's code; and its flags where it is used.
_TABLE = """
693_J2KI.dcm                             used               used               precision_mismatch
CT_small.dcm                             used               used
ExplVR_BigEnd.dcm                        modality           modality
ExplVR_BigEndNoMeta.dcm                  not_dicom          not_dicom
ExplVR_LitEndNoMeta.dcm                  no_file_meta       no_file_meta
GDCMJ2K_TextGBR.dcm                      modality           modality
J2K_pixelrep_mismatch.dcm                used               used               sign_mismatch
JPEG-lossy.dcm                           modality           used               rescale_missing
JPEG2000-embedded-sequence-delimiter.dcm modality           codestream
JPEG2000.dcm                             modality           used               rescale_missing
JPEGLSNearLossless_08.dcm                modality           modality
JPEGLSNearLossless_16.dcm                modality           modality
JPGExtended.dcm                          modality           used               rescale_missing
MR_small.dcm                             modality           used               rescale_missing
MR_small_RLE.dcm                         modality           used               rescale_missing
MR_small_bigendian.dcm                   modality           used               rescale_missing
MR_small_expb.dcm                        modality           used               rescale_missing
MR_small_implicit.dcm                    modality           used               rescale_missing
MR_small_jp2klossless.dcm                modality           used               rescale_missing
MR_small_jpeg_ls_lossless.dcm            modality           used               rescale_missing
MR_small_padded.dcm                      modality           used               rescale_missing
MR_truncated.dcm                         modality           pixel_data_short
README.txt                               not_dicom          not_dicom
SC_jpeg_no_color_transform.dcm           modality           modality
SC_jpeg_no_color_transform_2.dcm         modality           modality
SC_rgb_dcmtk_+eb+cr.dcm                  modality           colour
SC_rgb_dcmtk_+eb+cy+n1.dcm               modality           colour
SC_rgb_dcmtk_+eb+cy+n2.dcm               modality           colour
SC_rgb_dcmtk_+eb+cy+np.dcm               modality           colour
SC_rgb_dcmtk_+eb+cy+s2.dcm               modality           colour
SC_rgb_dcmtk_+eb+cy+s4.dcm               modality           colour
SC_rgb_gdcm_KY.dcm                       modality           colour
SC_rgb_jls_lossy_line.dcm                modality           modality
SC_rgb_jls_lossy_sample.dcm              modality           modality
SC_rgb_jpeg.dcm                          modality           colour
SC_rgb_jpeg_app14_dcmd.dcm               modality           modality
SC_rgb_jpeg_dcmd.dcm                     modality           colour
SC_rgb_jpeg_dcmtk.dcm                    modality           colour
SC_rgb_jpeg_gdcm.dcm                     modality           colour
SC_rgb_jpeg_lossy_gdcm.dcm               modality           colour
SC_rgb_rle.dcm                           modality           colour
SC_rgb_rle_16bit.dcm                     modality           colour
SC_rgb_rle_16bit_2frame.dcm              modality           multi_frame
SC_rgb_rle_2frame.dcm                    modality           multi_frame
SC_rgb_rle_32bit.dcm                     modality           colour
SC_rgb_rle_32bit_2frame.dcm              modality           multi_frame
SC_rgb_small_odd.dcm                     modality           colour
SC_rgb_small_odd_big_endian.dcm          modality           colour
SC_rgb_small_odd_jpeg.dcm                modality           colour
SC_ybr_full_422_uncompressed.dcm         modality           colour
UN_sequence.dcm                          no_pixel_data      no_pixel_data
badVR.dcm                                modality           modality
crayons.icc                              not_dicom          not_dicom
dicomdirtests/77654033/CR?/*             modality           used               monochrome1_inverted
dicomdirtests/77654033/CT2/17106         used               used
dicomdirtests/77654033/CT2/17136         used               used               no_air
dicomdirtests/77654033/CT2/17166         implausible_pixels implausible_pixels
dicomdirtests/77654033/CT2/17196         implausible_pixels implausible_pixels
dicomdirtests/98892001/CT2N/*            localizer          localizer
dicomdirtests/98892001/CT5N/2???         used               used
dicomdirtests/98892001/CT5N/3???         used               used               no_air
dicomdirtests/98892003/*/*               modality           used               rescale_missing
dicomdirtests/DICOMDIR*                  dicomdir           dicomdir
dicomdirtests/README.txt                 not_dicom          not_dicom
dicomdirtests/TINY_ALPHA/DICOMDIR        dicomdir           dicomdir
dicomdirtests/TINY_ALPHA/*/*/*/*         no_pixel_data      no_pixel_data
dicomdirtests/TINY_ALPHA/README          not_dicom          not_dicom
empty_charset_LEI.dcm                    no_pixel_data      no_pixel_data
examples_jpeg2k.dcm                      modality           modality
examples_overlay.dcm                     modality           used               rescale_missing
examples_palette.dcm                     modality           modality
examples_rgb_color.dcm                   modality           modality
examples_ybr_color.dcm                   modality           modality
image_dfl.dcm                            modality           used               patient_id_missing rescale_missing
liver_1frame.dcm                         modality           modality
liver_expb_1frame.dcm                    modality           modality
meta_missing_tsyntax.dcm                               no_transfer_syntax no_transfer_syntax
nested_priv_SQ.dcm                       no_pixel_data      no_pixel_data
no_meta.dcm                              no_file_meta       no_file_meta
no_meta_group_length.dcm                 no_pixel_data      no_pixel_data
priv_SQ.dcm                              no_pixel_data      no_pixel_data
reportsi.dcm                             modality           modality
reportsi_with_empty_number_tags.dcm      modality           modality
rtdose.dcm                               modality           modality
rtdose_1frame.dcm                        modality           modality
rtdose_expb.dcm                          modality           modality
rtdose_expb_1frame.dcm                   modality           modality
rtdose_rle.dcm                           modality           modality
rtdose_rle_1frame.dcm                    modality           modality
rtplan.dcm                               modality           modality
rtplan.dump                              not_dicom          not_dicom
rtplan_truncated.dcm                     modality           modality
rtstruct.dcm                             no_file_meta       no_file_meta
rtstruct.dump                            not_dicom          not_dicom
test-SR.dcm                              modality           modality
test1.json                               not_dicom          not_dicom
test_PN.json                             not_dicom          not_dicom
waveform_ecg.dcm                         modality           modality
zipMR.gz                                 not_dicom          not_dicom
"""


class Outcome(NamedTuple):
    as_ct: str  # USED, or the code of the refusal
    as_any_image: str
    flags: tuple[str, ...]  # where it is used


def _outcomes() -> dict[str, Outcome]:
    found = {}
    for line in _TABLE.strip().splitlines():
        pattern, as_ct, as_any_image, *flags = line.split()
        paths = list(FOLDER.glob(pattern))
        assert paths, f"pydicom {pydicom.__version__} brings no {pattern}"
        found |= {str(path.relative_to(FOLDER)): Outcome(as_ct, as_any_image, tuple(flags)) for path in paths}
    return found


OUTCOMES = _outcomes()  # by the path below FOLDER
