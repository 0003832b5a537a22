"""Maps as colours: where they land on the image, and what strong and faint mean."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from imlgcn.activation_maps import Region, inside
from imlgcn.explanation.heat_map import colours, heat, overlay, overlay_png, strength

WHOLE = Region()


def spot(row, column, size=7, value=5.0):
    activation_map = np.zeros((size, size), np.float32)
    activation_map[row, column] = value
    return activation_map


@pytest.mark.parametrize(("row", "column"), [(1, 5), (6, 0), (3, 3)])
def test_the_hottest_pixel_lies_in_the_cell_of_the_maximum(row, column):
    found = np.unravel_index(heat(spot(row, column), (210, 70)).argmax(), (70, 210))
    assert (int(found[0] * 7 / 70), int(found[1] * 7 / 210)) == (row, column)


def test_the_padding_is_cut_away():
    """A wide image lies in the middle of the square: what is above and below it disappears."""
    region = Region(0.0, 0.25, 1.0, 0.75)
    assert heat(spot(0, 3, 8), (80, 40), region).max() < 0.1
    hot = np.unravel_index(heat(spot(3, 6, 8), (80, 40), region).argmax(), (40, 80))
    assert (hot[0] // 10, hot[1] // 10) == (1, 6), "row 3 of 8 is row 1 of the 4 that are left"


def test_a_tall_image_loses_columns():
    region = Region(0.25, 0.0, 0.75, 1.0)
    hot = np.unravel_index(heat(spot(6, 3, 8), (40, 80), region).argmax(), (80, 40))
    assert (hot[0] // 10, hot[1] // 10) == (6, 1)


def test_what_speaks_against_a_label_is_not_drawn():
    assert strength(np.array([[-9.0, 0.0, 3.0]], np.float32)).tolist() == [[0.0, 0.0, 1.0]]


def test_falls_are_drawn_strong_where_they_would_add_up_to_half_a_present_label():
    """Two positions: each counts double, as if the whole map were like it."""
    for fall, strong in ((0.5, 1.0), (0.25, 1.0), (0.125, 0.5), (-0.3, 0.0)):
        drawn = strength(np.array([[0.0, fall]], np.float32), "occlusion")
        assert drawn.tolist() == [[0.0, strong]]


def test_a_faint_map_stays_faint():
    assert strength(np.array([[0.1, 0.2]], np.float32)).max() == pytest.approx(0.2)
    even = np.full((4, 5), 1 / 20, np.float32)
    assert strength(even, "attention").max() == pytest.approx(0, abs=1e-6)


def test_stronger_is_lighter_and_never_more_transparent():
    ramp = colours(np.linspace(0, 1, 50, dtype=np.float32)[None])[0].astype(float)
    lightness = ramp[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()
    assert (np.diff(ramp[:, 3]) >= 0).all()
    assert ramp[0, 3] == 0


def test_an_overlay_has_the_size_of_the_image_and_colour_only_where_the_map_is():
    image = Image.new("RGB", (90, 60), (200, 40, 40))
    drawn = np.asarray(overlay(image, spot(1, 1))).astype(int)
    assert drawn.shape == (60, 90, 3)
    coloured = np.ptp(drawn, axis=2) > 30
    assert coloured[11:15, 17:22].all()
    assert not coloured[30:, 50:].any(), "elsewhere it is grey, whatever the image's colour"


def test_the_map_alone_is_a_transparent_png():
    layer = Image.open(BytesIO(overlay_png(spot(0, 6), (64, 48))))
    assert (layer.mode, layer.size, layer.format) == ("RGBA", (64, 48), "PNG")
    opacity = np.asarray(layer)[..., 3]
    assert opacity[3, 60] > 150
    assert opacity[40, 5] == 0


def test_shares_of_cells_in_the_image_add_up_to_its_area():
    region = Region(0.1, 0.0, 0.7, 1.0)
    assert inside(region, 7, 5).mean() == pytest.approx(0.6)
    assert inside(region, 2, 5)[0].tolist() == pytest.approx([0.5, 1, 1, 0.5, 0])


def test_overlays_need_neither_torch_nor_matplotlib():
    code = (
        "import sys, imlgcn.explanation; from imlgcn.tagger import Tagger;"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
