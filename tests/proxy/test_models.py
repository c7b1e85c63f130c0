import math

import pytest
import torch
from torch import nn

from telltale_core.errors import ConfigError
from telltale_core.modality.image import ImageModality
from telltale_core.proxy import ProxyConfig, models
from telltale_core.proxy.models import build, register, resolve


@pytest.mark.parametrize("side", [8, 12, 16, 28, 32, 64, 96])
def test_small_cnn_takes_images_of_any_size_down_to_a_few_pixels(side):
    net = build("small_cnn", "image", (side, side, 3), 4, 5, seed=0).eval()
    before_pooling = net.body[:-2](torch.zeros(1, 3, side, side))
    assert min(before_pooling.shape[2:]) >= 3
    assert net(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_small_cnn_works_on_oblong_images():
    assert build("small_cnn", "image", (40, 17, 1), 4, 3, seed=0).eval()(torch.zeros(1, 1, 40, 17)).shape == (1, 3)


@pytest.mark.parametrize(("name", "side"), [("resnet18", 32), ("resnet18", 8), ("vgg16", 32), ("vgg16", 8)])
def test_torchvision_nets_have_stems_for_small_images(name, side):
    net = build(name, "image", (side, side, 3), 32, 10, seed=0).eval()
    assert net(torch.zeros(1, 3, side, side)).shape == (1, 10)
    kept = 4 if name == "resnet18" else 1
    assert net.body(torch.zeros(1, 3, side, side)).shape == (1, 512)
    if side == 32 and name == "resnet18":
        shapes = []
        net.body.layer4.register_forward_hook(lambda _m, _i, output: shapes.append(output.shape[2:]))
        net(torch.zeros(1, 3, 32, 32))
        assert tuple(shapes[0]) == (kept, kept)


def test_equal_seeds_build_equal_nets_and_keep_the_callers_random_state():
    state = torch.get_rng_state()
    first, second, other = (build("auto", "image", (8, 8, 3), 4, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert not torch.equal(first.head.weight, other.head.weight)


def test_the_head_gives_float32_under_autocast():
    net = build("auto", "image", (8, 8, 3), 4, 3, seed=0).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(torch.zeros(1, 3, 8, 8)).dtype == torch.float32


def test_unknown_names_and_modalities_say_what_is_known():
    with pytest.raises(ConfigError, match="known: auto, small_cnn, resnet18, vgg16"):
        resolve("resnet50", "image")
    with pytest.raises(ConfigError, match="modality 'smell' is not known; this version reads: image"):
        resolve("auto", "smell")


def test_a_net_can_be_registered_beside_a_modalitys_own(monkeypatch):
    monkeypatch.setattr(models, "_MODELS", {})

    @register("flat", modality="image")
    def flat(shape, width):
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU()), width

    assert resolve("auto", "image")[0] == "small_cnn"
    assert build("flat", "image", (8, 8, 3), 4, 5, seed=0)(torch.zeros(2, 3, 8, 8)).shape == (2, 5)


def test_settings_that_nobody_gave_are_the_modalitys_own(monkeypatch):
    monkeypatch.setattr(ImageModality, "proxy_defaults", {"epochs": 7, "lr": 0.5})
    settled = ProxyConfig(lr=0.1).settled("image")
    assert (settled.epochs, settled.lr, settled.width) == (7, 0.1, 32)
    assert settled.settled("image") is settled


def test_the_net_for_recordings_hears_what_is_short_as_loudly_in_a_long_one():
    short, long = (build("small_cnn", "audio", (40, frames, 1), 4, 3, seed=0).eval() for frames in (40, 160))
    click = torch.zeros(1, 1, 40, 40)
    click[..., 10:14, 16:20] = 5.0
    stretched = torch.nn.functional.pad(click, (0, 120))
    features = [net.body(x)[0] - net.body(torch.zeros_like(x))[0] for net, x in ((short, click), (long, stretched))]
    assert features[0].shape == (32,)
    assert torch.allclose(features[1][16:], features[0][16:], atol=1e-5)  # the peaks
    assert features[1][:16].abs().max() < 0.5 * features[0][:16].abs().max()  # the means


@pytest.mark.parametrize(
    ("shape", "peaks"), [((8, 8, 1), False), ((32, 32, 3), False), ((64, 64, 3), False), ((24, 96, 3), True)]
)
def test_a_mean_over_many_places_has_the_peak_beside_it(shape, peaks):
    net = build("small_cnn", "image", shape, 4, 3, seed=0)
    assert net.head.in_features == (32 if peaks else 16)
