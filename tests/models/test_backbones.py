"""Every kind of timm model as one kind of map; names, sizes and input settings."""

from __future__ import annotations

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.models.backbones import Backbone
from imlgcn.models.create import create_backbone
from imlgcn.models.heads.kernel import KernelHead

BACKBONES = {  # name -> channels of the map, and its side for an image of 64 pixels
    "tf_efficientnet_lite0": (1280, 2),
    "tresnet_m": (2048, 2),
    "resnet101": (2048, 2),
    "vgg16": (4096, 1),  # its fully connected end as convolutions
    "swin_tiny_patch4_window7_224": (768, 2),  # channels last
    "vit_tiny_patch16_224": (192, 4),  # tokens
    "vit_tiny_r_s16_p8_224": (192, 2),  # tokens of a convolutional stem
    "volo_d1_224": (384, 4),  # built for one size; a class token timm does not declare
}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_gives_maps_of_its_channels(name):
    channels, side = BACKBONES[name]
    with torch.device("meta"):  # shapes only: nothing is computed
        backbone = create_backbone(name, pretrained=False, size=64).eval()
        features = backbone(torch.empty(2, 3, 64, 64))
    assert backbone.out_channels == channels
    assert features.shape == (2, channels, side, side)


EARLIER = {  # channels of the map one stage earlier, and its side for an image of 64 pixels
    "tf_efficientnet_lite0": (112, 4),
    "tresnet_m": (1024, 4),
    "resnet101": (1024, 4),
    "vgg16": (512, 4),
    "swin_tiny_patch4_window7_224": (384, 4),
    "vit_tiny_patch16_224": (192, 4),  # a transformer keeps its resolution
}


@pytest.mark.parametrize("name", EARLIER)
def test_every_backbone_gives_the_map_of_the_stage_before_the_last_too(name):
    channels, side = EARLIER[name]
    with torch.device("meta"):
        backbone = create_backbone(name, pretrained=False, size=64).eval()
        images = torch.empty(2, 3, 64, 64)
        earlier, last = backbone(images, levels=2)
        alone = backbone(images)
    assert earlier.shape == (2, channels, side, side)
    assert last.shape == alone.shape
    assert backbone.channels(2) == (channels, alone.shape[1])
    assert backbone.channels() == alone.shape[1]


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",
        "tresnet_m",
        "resnet18",
        "mobilenetv3_small_050",  # a convolution after the pooling that is left out
        "swin_tiny_patch4_window7_224",
        "vit_tiny_patch16_224",
    ],
)
@torch.no_grad()
def test_the_last_of_several_maps_is_the_only_one_of_one(name):
    backbone = create_backbone(name, pretrained=False, size=64).eval()
    images = torch.randn(2, 3, 64, 96)
    maps = backbone(images, levels=3)
    assert len(maps) == 3
    assert tuple(m.shape[1] for m in maps) == backbone.channels(3)
    torch.testing.assert_close(maps[-1], backbone(images))


@torch.no_grad()
def test_earlier_maps_are_the_outputs_of_the_stages():
    backbone = create_backbone("resnet18", pretrained=False).eval()
    model = backbone.model
    images = torch.randn(1, 3, 64, 64)
    stem = model.maxpool(model.act1(model.bn1(model.conv1(images))))
    second = model.layer2(model.layer1(stem))
    earlier = backbone(images, levels=3)[:2]
    torch.testing.assert_close(earlier, (second, model.layer3(second)))


MEANS = {  # channels of the last two blocks or stages before the deepest map, and of this
    "tf_efficientnet_lite0": (112, 192, 1280),  # blocks: a stage would be 40 or 112
    "mobilenetv3_small_050": (24, 48, 1024),
    "tresnet_m": (128, 1024, 2048),
    "resnet18": (128, 256, 512),
    "convnext_atto": (80, 160, 320),
    "swin_tiny_patch4_window7_224": (192, 384, 768),
    "vit_tiny_patch16_224": (192, 192, 192),
    "hiera_tiny_224": (192, 384, 768),  # stops early unless told not to
}


@pytest.mark.parametrize("name", MEANS)
def test_means_of_blocks_or_stages_come_with_the_last_map(name):
    with torch.device("meta"):
        backbone = create_backbone(name, pretrained=False).eval()
        side = backbone.image_settings.size
        *means, last = backbone(torch.empty(2, 3, side, side), 3, means=True)
        alone = backbone(torch.empty(2, 3, side, side))
    assert backbone.channels(3, means=True) == MEANS[name]
    assert [m.shape for m in means] == [(2, width, 1, 1) for width in MEANS[name][:-1]]
    assert last.shape == alone.shape
    assert backbone.num_levels(means=True) >= 3


@torch.no_grad()
def test_means_of_efficientnet_are_those_of_its_two_blocks_before_the_last():
    backbone = create_backbone("tf_efficientnet_lite0", pretrained=False).eval()
    blocks = {}
    for number, block in enumerate(backbone.model.blocks):
        block.register_forward_hook(
            lambda _, args, out, number=number: blocks.update({number: out})
        )
    images = torch.randn(2, 3, 64, 96)
    *means, last = backbone(images, 3, means=True)
    for mean, number in zip(means, (4, 5), strict=True):
        torch.testing.assert_close(mean, blocks[number].mean((2, 3), keepdim=True))
    assert torch.equal(last, backbone(images))  # to the last bit: heads of one map see no change


def test_a_model_that_shows_no_stages_has_its_last_map_alone():
    settings = ImageSettings(size=16)
    trunk = torch.nn.Conv2d(3, 4, 3)
    trunk.num_features = 4
    backbone = Backbone("plain", trunk, image_settings=settings, weights_id="random")
    assert backbone.num_levels(means=True) == backbone.num_levels() == 1
    assert KernelHead.channels_of(backbone, {}) == 4


@pytest.mark.parametrize("levels", [0, 6])
def test_more_maps_than_stages_are_refused(levels):
    with torch.device("meta"):
        backbone = create_backbone("resnet18", pretrained=False)
    message = f"resnet18 has 1 to 5 feature maps; {levels} are needed"
    with pytest.raises(InputError, match=message):
        backbone.channels(levels)
    with pytest.raises(InputError, match=message):
        backbone(torch.empty(1, 3, 64, 64), levels=levels)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_maps_keep_the_place_of_what_is_in_the_image(name):
    backbone = create_backbone(name, pretrained=False, size=64).eval()
    images = torch.zeros(2, 3, 64, 128)  # not square: height and width cannot be swapped unseen
    images[1, :, :32, 96:] = 1.0  # top right
    with torch.no_grad():
        plain, marked = backbone(images)
    change = (plain - marked).abs().sum(0)  # (H, W)
    height, width = change.shape
    assert width == 2 * height
    top_right = change[: height // 2, -width // 4 :].mean()
    assert change.max() > 0
    assert top_right > 2 * change[height // 2 :, : width // 4].mean()


def test_the_class_token_is_left_out():
    backbone = create_backbone("vit_tiny_patch16_224", pretrained=False, size=64).eval()
    images = torch.randn(1, 3, 64, 64)
    tokens = backbone.model(images)
    assert tokens.shape[1] == 17
    torch.testing.assert_close(backbone(images)[0, :, 1, 2], tokens[0, 1 + 1 * 4 + 2])


@pytest.mark.parametrize(
    ("name", "mean", "std", "interpolation"),
    [
        ("tresnet_m", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear"),
        ("efficientnet_lite0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic"),
        ("resnet101", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic"),
    ],
)
def test_image_settings_come_from_the_backbones_own_configuration(name, mean, std, interpolation):
    with torch.device("meta"):
        backbone = create_backbone(name, pretrained=False)
    expected = ImageSettings(size=224, mean=mean, std=std, interpolation=interpolation)
    assert backbone.image_settings == expected


def test_a_size_replaces_the_native_one():
    with torch.device("meta"):
        assert create_backbone("resnet18", pretrained=False, size=96).image_settings.size == 96
        tagged = create_backbone("tresnet_m.miil_in1k_448", pretrained=False)
    assert tagged.image_settings.size == 448


def test_a_side_tresnet_cannot_take_is_refused_with_the_nearest_ones():
    message = "tresnet_m takes input sizes divisible by 4; got 230; use 228 or 232"
    with torch.device("meta"), pytest.raises(InputError, match=message):
        create_backbone("tresnet_m", pretrained=False, size=230)


def test_sizes_are_checked_against_patches_and_fixed_inputs():
    with torch.device("meta"):
        vit = create_backbone("vit_tiny_patch16_224", pretrained=False, size=64)
        fixed = create_backbone("volo_d1_224", pretrained=False, size=64)
        free = create_backbone("resnet18", pretrained=False)
    assert (vit.size_multiple, fixed.fixed_size, free.size_multiple) == (16, 64, 1)
    vit.check_size(96)
    free.check_size(227)
    with pytest.raises(InputError, match="divisible by 16; got 8; use 16"):
        vit.check_size(8)
    with pytest.raises(InputError, match="built for input size 64; got 96; build it with size=96"):
        fixed.check_size(96)


def test_an_unknown_backbone_is_answered_with_near_names():
    with pytest.raises(InputError, match=r"unknown backbone 'tresnet_n'; did you mean 'tresnet_m'"):
        create_backbone("tresnet_n")
    with pytest.raises(InputError, match=r"did you mean 'efficientnet_lite0'"):
        create_backbone("eficientnet_lite0")


def test_an_unknown_tag_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"tresnet_m has no weights 'miil'; known: .*miil_in21k"):
        create_backbone("tresnet_m.miil", pretrained=False)


def test_a_model_without_a_feature_map_is_refused():
    with pytest.raises(InputError, match="cannot build crossvit_9_240 as a feature map"):
        create_backbone("crossvit_9_240", pretrained=False)


def test_the_alias_is_the_tensorflow_variant_and_timms_own_has_a_prefix():
    with torch.device("meta"):
        ours = create_backbone("efficientnet_lite0", pretrained=False)
        tensorflow = create_backbone("tf_efficientnet_lite0", pretrained=False)
        theirs = create_backbone("timm/efficientnet_lite0", pretrained=False)
    stem = [type(backbone.model.conv_stem).__name__ for backbone in (ours, tensorflow, theirs)]
    assert stem == ["Conv2dSame", "Conv2dSame", "Conv2d"]
    assert ours.name == "efficientnet_lite0"


def test_random_weights_have_an_id_per_seed():
    ids = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        ids.append(create_backbone("test_resnet", pretrained=False).weights_id)
    assert ids[0].startswith("random:")
    assert ids[0] == ids[1] != ids[2]
