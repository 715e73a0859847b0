"""How much the benchmark measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Counts of what is measured; pixels are those of a side."""

    drawn: int = 48  # phantoms
    pixels: int = 512
    linked: int = 1200  # links to them, for preparation on several cores
    batches: int = 100  # sequence batches
    store_slices: int = 780_000
    store_series: int = 19_000
    width: int = 2048  # E
    extracted: int = 512  # slices
    extracted_pixels: int = 480
    table_slices: int = 900_000  # the competition has 874,035
    epoch_images: int = 2048  # slices that are read of each of three epochs
    few: int = 200  # slices whose memory is compared
    many: int = 2000
    memory_pixels: int = 96
    second_level_slices: int = 874_035
    plain_slices: int = 20_000  # of which the plain loop makes one class's features
    second_level_rows: int = 750_000  # to train one model of the second level
    rounds: int = 100  # trees
    mapped_films: int = 2135  # films of one fold, whose maps thresholds are searched over
    mapped_pixels: int = 1024
    window_slices: int = 96  # of a neck
    few_studies: int = 10  # whose windows' memory is compared with that of ten times as many
    repeats: int = 3


FULL = Sizes()
QUICK = Sizes(
    drawn=16, linked=320, batches=20, store_slices=78_000, store_series=1_900, extracted=128, table_slices=87_000,
    epoch_images=256, few=50, many=500, second_level_slices=87_000, plain_slices=4_000, second_level_rows=20_000,
    rounds=20, mapped_films=100, window_slices=24, few_studies=4, repeats=2,
)  # fmt: skip
