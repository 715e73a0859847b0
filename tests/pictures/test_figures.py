"""The README's pictures: they are drawn, hold what they claim, and no text runs into anything."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import WrongUse
from pictures.figures import (
    BLEEDS,
    COARSE,
    FINE,
    HEAD_MM,
    SMALL,
    WIDTH,
    Example,
    cut_head,
    draw_preparation,
    make_example,
    new_figure,
    preparation_steps,
    save_picture,
    save_with_palette,
)
from pictures.pipeline import STAGES, WAYS
from programs import REPOSITORY, load_program, run_program

SIZE = 64  # pixels of a slice
PIXELS_WIDE = {"pipeline": WIDTH * FINE, "preparation": WIDTH * FINE, "bleeds": WIDTH * COARSE,
               "necks": WIDTH * COARSE}  # fmt: skip
LARGEST_FILE = 350_000  # bytes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Figure]]:
    """The folder of the written pictures, and the figures that they were written from."""
    folder, figures = tmp_path_factory.mktemp("pictures"), {}

    def save_and_keep(figure: Figure, path: Path, greys: int) -> None:
        figures[path.stem] = figure
        save_picture(figure, path, greys)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pictures.figures.save_picture", save_and_keep)
        run_program("pictures/draw", "--output", folder, "--size", SIZE)
    return folder, figures


@pytest.fixture(scope="module")
def written(drawn: tuple[Path, dict[str, Figure]]) -> Path:
    return drawn[0]


@pytest.fixture(scope="module")
def figures(drawn: tuple[Path, dict[str, Figure]]) -> dict[str, Figure]:
    return drawn[1]


@pytest.fixture(scope="module")
def examples() -> dict[str, Example]:
    return {kind: make_example(kind, patient, 128) for kind, patient, _ in BLEEDS}


def texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Every text that is shown, with its box in pixels."""
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text, text.get_window_extent()) for text in shown]


def overlap(one: Bbox, other: Bbox) -> bool:
    """Do two boxes share more than their edges?"""
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_the_program_writes_each_picture_with_the_stated_width(written: Path, name: str) -> None:
    with Image.open(written / f"{name}.png") as picture:
        assert picture.width == PIXELS_WIDE[name]
        assert picture.width / 2 < picture.height < picture.width or name == "preparation"


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_no_picture_is_blank(written: Path, name: str) -> None:
    with Image.open(written / f"{name}.png") as picture:
        grey = np.asarray(picture.convert("L"))
    assert 0.02 < (grey < 60).mean() < 0.8
    assert (grey > 250).mean() > 0.1
    assert len(np.unique(grey)) > 20


@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_the_committed_picture_is_small_and_as_wide_as_the_program_makes_it(name: str) -> None:
    path = REPOSITORY / ".github" / "pictures" / f"{name}.png"
    assert path.stat().st_size < LARGEST_FILE
    with Image.open(path) as picture:
        assert picture.width == PIXELS_WIDE[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_every_text_lies_within_the_picture(figures: dict[str, Figure], name: str) -> None:
    whole = figures[name].bbox
    outside = [t.get_text() for t, box in texts(figures[name])
               if box.x0 < whole.x0 or box.y0 < whole.y0 or box.x1 > whole.x1 or box.y1 > whole.y1]  # fmt: skip
    assert outside == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_no_text_overlaps_another(figures: dict[str, Figure], name: str) -> None:
    pairs = [(one.get_text(), other.get_text()) for (one, first), (other, second)
             in combinations(texts(figures[name]), 2) if overlap(first, second)]  # fmt: skip
    assert pairs == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_no_text_overlaps_an_image_but_the_mark_of_the_right_side(figures: dict[str, Figure], name: str) -> None:
    images = [axes.get_window_extent() for axes in figures[name].axes if axes.images]
    over = {t.get_text() for t, box in texts(figures[name]) if any(overlap(box, image) for image in images)}
    assert over == ({"R"} if name == "bleeds" else set())


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS_WIDE)
def test_no_text_is_too_small_to_read(figures: dict[str, Figure], name: str) -> None:
    assert min(text.get_fontsize() for text, _ in texts(figures[name])) >= SMALL


@pytest.mark.parametrize("number", [*(stage.number for stage in STAGES), *(way.number for way in WAYS)])
def test_every_number_in_the_diagram_is_a_program_in_bin(number: str) -> None:
    assert len(list((REPOSITORY / "bin").glob(f"run_{number}_*.sh"))) == 1


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.number)
def test_every_way_stops_at_the_stages_that_its_program_runs(way) -> None:
    (program,) = (REPOSITORY / "bin").glob(f"run_{way.number}_*.sh")
    code = [line for line in program.read_text().splitlines() if not line.startswith("#")]
    if not any(line.startswith("stage ") for line in code):
        return  # one program, which goes the way by itself
    assert way.stages == tuple(s.number for s in STAGES if any(f"stage run_{s.number}_" in line for line in code))


@pytest.mark.parametrize("kind", [kind for kind, _, _ in BLEEDS])
def test_each_bleed_is_whole_in_its_fullest_slice_and_faint_in_its_first(
    examples: dict[str, Example], kind: str
) -> None:
    example, study = examples[kind], examples[kind].study
    labelled = np.flatnonzero(study.labels[:, CLASSES.index(kind)])
    assert example.first == labelled[0] < example.fullest <= labelled[-1]
    assert study.contrast[example.fullest, 0] == 1
    assert 0.1 < study.contrast[example.first, 0] < 0.4


@pytest.mark.parametrize("kind", [kind for kind, _, _ in BLEEDS])
def test_the_cut_head_has_one_scale_and_holds_the_whole_skull(examples: dict[str, Example], kind: str) -> None:
    example = examples[kind]
    pixel = example.series.pixel * 512 / example.plan.size
    for index in (example.fullest, example.first):
        cut = cut_head(example, example.study.cavity[index], False)
        assert np.allclose(np.array(cut.shape) * pixel, HEAD_MM, atol=2 * pixel)
        assert cut.sum() == example.study.cavity[index].sum()


def test_the_wrong_intercept_shows_in_the_file_and_not_in_the_windows() -> None:
    wrong, plain = make_example("epidural", 3, 128), make_example("subdural", 10, 128)
    assert wrong.series.wrong_intercept
    assert not plain.series.wrong_intercept
    (raw, brain, *_), _, air = preparation_steps(wrong)
    assert air > 3000
    assert raw[0, 64] == 1
    assert brain[0, 64] == 0
    (raw, brain, *_), _, air = preparation_steps(plain)
    assert air == -1000
    assert raw[0, 64] < 0.01
    assert brain[0, 64] == 0


@pytest.mark.slow
def test_the_same_picture_drawn_again_has_the_same_bytes(written: Path, tmp_path: Path) -> None:
    save_picture(draw_preparation(SIZE), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (written / "preparation.png").read_bytes()


def test_the_palette_keeps_greys_grey_and_colours_close(tmp_path: Path) -> None:
    figure = new_figure(1.0, 50)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.linspace(0, 1, 90)[None], cmap="gray", aspect="auto")
    axes.set_axis_off()
    axes.plot([10, 80], [0, 0], color="#ff8000", linewidth=4)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    before = np.asarray(canvas.buffer_rgba())[:, :, :3].astype(int)
    save_picture(figure, tmp_path / "picture.png", greys=64)
    with Image.open(tmp_path / "picture.png") as picture:
        after = np.asarray(picture.convert("RGB")).astype(int)
    grey = before.min(axis=2) == before.max(axis=2)
    assert np.abs(after - before)[grey].max() <= 3  # half a step
    assert (after[grey].min(axis=1) == after[grey].max(axis=1)).all()
    assert np.abs(after - before)[~grey].mean() < 3


def test_a_size_that_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["draw.py", "--output", str(tmp_path), "--size", "32"])
    with pytest.raises(WrongUse, match="size 32"):
        load_program("pictures/draw").main()
    assert list(tmp_path.iterdir()) == []


def test_the_most_frequent_colours_of_a_page_stay_exact(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    pixels[:20], pixels[20:25] = (0, 114, 178), (213, 94, 0)
    save_with_palette(pixels, tmp_path / "page.png", 64, exact=2)
    read = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    assert (read[:25] == pixels[:25]).all()
    assert len(np.unique(read.reshape(-1, 3), axis=0)) <= 256


def test_the_picture_of_a_page_is_small() -> None:
    assert (REPOSITORY / ".github/pictures/viewer.png").stat().st_size < 150_000
