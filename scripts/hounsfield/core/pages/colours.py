"""The colours of classes on pages and figures, which colour-blind people tell apart.

Source: M. Okabe and K. Ito, Color Universal Design, 2008; without yellow, which is too pale on paper.
"""

from __future__ import annotations

OKABE_ITO = ("#0072B2", "#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#000000", "#E69F00")  # neighbours far apart
