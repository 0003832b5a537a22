import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from imlgcn.data.images import open_image
from imlgcn.data.transforms import EvalTransform, TrainTransform, load_input, normalize
from imlgcn.image_settings import ImageSettings
from imlgcn.models import PixelInput

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def random_image(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def network_input(image: Image.Image, settings: ImageSettings) -> np.ndarray:
    return normalize(EvalTransform(settings)(image), settings)  # (3, S, S)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("fit", ["pad", "squash"])
@pytest.mark.parametrize(("width", "height"), [(90, 40), (33, 70), (64, 64), (7, 5), (200, 1)])
def test_it_equals_pasting_on_white_and_normalising_by_the_formula(
    interpolation, fit, width, height
):
    settings = ImageSettings(size=64, mean=MEAN, std=STD, interpolation=interpolation, fit=fit)
    image = random_image(width, height)
    resampling = getattr(Image.Resampling, interpolation.upper())
    if fit == "squash":
        square = image.resize((64, 64), resampling)
    else:
        scale = 64 / max(width, height)
        inner = image.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))), resampling
        )
        square = Image.new("RGB", (64, 64), "white")
        square.paste(inner, ((64 - inner.width) // 2, (64 - inner.height) // 2))
    expected = (np.asarray(square) / 255.0 - np.array(MEAN)) / np.array(STD)  # (S, S, 3)
    output = network_input(image, settings)
    np.testing.assert_allclose(output, expected.transpose(2, 0, 1), atol=2e-6)


def test_the_output_is_8_bit_contiguous_and_the_same_each_time():
    transform = EvalTransform(ImageSettings(size=48))
    first = transform(random_image(50, 20))
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    transform(random_image(20, 50, seed=1))
    np.testing.assert_array_equal(first, transform(random_image(50, 20)))


def test_padding_is_white_outside_and_keeps_the_aspect_ratio():
    pixels = EvalTransform(ImageSettings(size=40))(Image.new("RGB", (80, 20), "black"))
    assert (pixels[15:25] == 0).all()
    assert (pixels[:15] == 255).all()
    assert (pixels[25:] == 255).all()


def test_each_channel_has_its_own_mean_and_std():
    settings = ImageSettings(size=16, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    output = network_input(Image.new("RGB", (16, 16), (255, 255, 51)), settings)
    np.testing.assert_allclose(output[:, 3, 5], [1.0, 1.0, -3.2], rtol=1e-6)


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_a_path_and_the_image_in_memory_give_the_same_input(tmp_path, fit):
    settings = ImageSettings(size=64, fit=fit)
    path = tmp_path / "image.jpg"
    random_image(120, 90).save(path)
    expected = EvalTransform(settings)(open_image(path))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(load_input(source, settings), expected)


def test_a_large_file_is_decoded_smaller_and_still_nearly_the_same(tmp_path):
    settings = ImageSettings(size=64)
    path = tmp_path / "image.jpg"
    random_image(30, 20).resize((1200, 800), Image.Resampling.BICUBIC).save(path)
    full = EvalTransform(settings)(open_image(path)).astype(float)
    fast = load_input(path, settings).astype(float)
    assert 0 < np.abs(full - fast).max() <= 6
    assert np.abs(full - fast).mean() < 0.5


def test_a_very_large_image_in_memory_is_first_averaged_in_blocks_with_little_difference():
    settings = ImageSettings(size=32, fit="squash")
    image = random_image(60, 40).resize((1500, 1000), Image.Resampling.BICUBIC)
    fast = EvalTransform(settings)(image).astype(float)
    exact = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC), float)
    assert np.abs(fast - exact).max() <= 6
    assert np.abs(fast - exact).mean() < 1


@pytest.mark.parametrize("seed", range(3))
def test_a_network_normalises_pixels_as_training_does_to_the_bit(seed):
    settings = ImageSettings(size=32, mean=MEAN, std=STD)
    pixels = np.stack([np.asarray(random_image(32, 32, seed + i)) for i in (0, 9)])
    found = PixelInput(settings)(torch.from_numpy(pixels))
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(found.numpy(), normalize(pixels, settings))


def test_the_input_image_is_not_changed():
    image = random_image(32, 32)
    before = image.tobytes()
    settings = ImageSettings(size=32)
    EvalTransform(settings)(image)
    torch.manual_seed(0)
    for _ in range(10):
        TrainTransform(settings)(image)
    assert image.tobytes() == before


def test_preparing_an_image_for_prediction_imports_no_torch():
    code = (
        "import sys, io; from PIL import Image; from imlgcn.image_settings import ImageSettings;"
        "from imlgcn.data.transforms import load_input; file = io.BytesIO();"
        "Image.new('RGB', (30, 20)).save(file, 'PNG'); load_input(file, ImageSettings(size=16));"
        "import imlgcn.data.features; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_augmentation_repeats_under_one_seed_and_varies_without(fit):
    transform = TrainTransform(ImageSettings(size=32, fit=fit))
    image = random_image(50, 40)

    def variants(seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        return np.stack([transform(image) for _ in range(6)])

    first = variants(3)
    assert first.shape == (6, 3, 32, 32)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, variants(3))
    assert not np.array_equal(first, variants(4))
    assert len({variant.tobytes() for variant in first}) == 6


def plain(settings: ImageSettings, **options) -> TrainTransform:
    """Without RandAugment, flip and cut-out unless ``options`` says so."""
    return TrainTransform(settings, **({"num_ops": 0, "flip": 0.0, "cutout": 0.0} | options))


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_with_everything_off_training_sees_what_evaluation_sees(fit):
    settings = ImageSettings(size=32, fit=fit, mean=MEAN, std=STD)
    image = random_image(50, 31)
    np.testing.assert_array_equal(plain(settings)(image), network_input(image, settings))


def test_a_flip_mirrors_left_and_right_half_of_the_time():
    settings = ImageSettings(size=32)
    image = random_image(32, 20)
    expected = network_input(image, settings)
    np.testing.assert_array_equal(plain(settings, flip=1.0)(image), expected[:, :, ::-1])
    torch.manual_seed(0)
    transform = plain(settings, flip=0.5)
    flipped = sum(not np.array_equal(transform(image), expected) for _ in range(200))
    assert 75 < flipped < 125


def test_the_cut_out_is_one_box_of_one_colour_of_half_the_side_at_most():
    settings = ImageSettings(size=40, fit="squash")
    image = random_image(40, 40)
    expected = network_input(image, settings)
    torch.manual_seed(0)
    heights, widths, colors = [], [], set()
    for _ in range(100):
        output = plain(settings, cutout=0.5)(image)
        changed = (output != expected).any(0)  # (S, S)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        box = output[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (box == box[:, :1, :1]).all()
        heights.append(len(rows))
        widths.append(len(columns))
        colors.add(box[:, 0, 0].tobytes())
    assert max(heights) == max(widths) == 20
    assert 10 <= min(heights) < 15  # a centre near the edge: half of the box is outside
    assert heights != widths
    assert len(colors) == 100


def test_augmentation_uncovers_white_where_the_image_is_padded():
    image = Image.new("RGB", (32, 32), "white")
    settings = ImageSettings(size=32)
    torch.manual_seed(0)
    transform = plain(settings, num_ops=1, magnitude=30)
    darkest = sorted(float(transform(image).min()) for _ in range(60))
    # shears, shifts and turns leave white white; only brightness, solarise and the like do not
    assert sum(value > 0.99 for value in darkest) > 60 * 0.7
