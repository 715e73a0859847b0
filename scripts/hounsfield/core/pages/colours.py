"""The colours of classes on pages and figures, which colour-blind people tell apart.

Source: M. Okabe and K. Ito, Color Universal Design, 2008; without yellow, which is too pale on paper.
"""

from __future__ import annotations

OKABE_ITO = ("#0072B2", "#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#000000", "#E69F00")  # neighbours far apart
# The eighth lies farther from each of the seven (19 in CIE Lab, however colours are seen) than these do from each
# other (16), and stands out from white paper (4.8 : 1) and dark paper (3.8 : 1).
CLASS_COLOURS = (*OKABE_ITO, "#8A6D3B")
