"""SegNet: the paper's size, maxima back where they stood, the network written down with torch's functions."""

import pytest
import torch
import torch.nn.functional as F
import torchvision

from segkit.analysis import receptive_field
from segkit.models import SegNet, create, load_torchvision
from segkit.models.segnet import UPSAMPLINGS


def small(**options):
    torch.manual_seed(0)
    return create("segnet", 5, **{"width": 4, **options})


def count(**options):
    with torch.device("meta"):
        return sum(p.numel() for p in create("segnet", 19, **options).parameters())


def test_at_the_papers_size_segnet_has_29_5_million_parameters_however_it_goes_up():
    assert count() == count(upsampling="bed_of_nails") == count(upsampling="bilinear") == 29_453_971
    assert count(upsampling="transposed") == 29_453_971 + 16 * (64 + 128 + 256 + 512 + 512)


def test_vgg16_version_has_26_convolutions():
    convolutions = [m for m in small().modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 26


def test_same_as_written_with_torchs_functions():
    """The whole network once more, on torch.nn.functional, from the weights in the order in which they stand."""
    model, x = small(encoder="vgg13").eval(), torch.randn(1, 3, 37, 50)
    layers = iter([m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.BatchNorm2d)])
    want, kept = x, []
    for _ in range(5):
        for _ in range(2):
            conv = next(layers)
            want = F.relu(next(layers)(F.conv2d(want, conv.weight, conv.bias, padding=1)))
        size = want.shape[-2:]
        want, indices = F.max_pool2d(want, 2, ceil_mode=True, return_indices=True)
        kept.append((indices, size))
    for block in (4, 3, 2, 1, 0):
        indices, size = kept[block]
        want = F.max_unpool2d(want, indices, 2, output_size=size)
        for i in range(2):
            conv = next(layers)
            want = F.conv2d(want, conv.weight, conv.bias, padding=1)
            want = want if block == 0 and i == 1 else F.relu(next(layers)(want))
    assert next(layers, None) is None
    with torch.no_grad():
        torch.testing.assert_close(model(x), want, rtol=1e-4, atol=1e-5)


def test_indices_bring_each_maximum_back_where_it_stood_and_nails_to_the_corner():
    x = torch.randn(1, 4, 7, 9)
    pooled, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    decoder = small().decoders[-1]
    back = decoder.enlarge(pooled, indices, (7, 9))
    assert back.shape == x.shape and torch.equal(back[back != 0], x[back != 0])
    assert int((back != 0).sum()) == pooled.numel()
    nails = small(upsampling="bed_of_nails").decoders[-1].enlarge(pooled, indices, (7, 9))
    assert torch.equal(nails[..., ::2, ::2], pooled) and int((nails != 0).sum()) == pooled.numel()
    smooth = small(upsampling="bilinear").decoders[-1].enlarge(pooled, indices, (7, 9))
    want = F.interpolate(pooled, scale_factor=2, mode="bilinear", align_corners=False)[..., :7, :9]
    torch.testing.assert_close(smooth, want)
    learned = small(upsampling="transposed").decoders[-1].enlarge(pooled, indices, (7, 9))
    torch.testing.assert_close(learned[..., 1:-1, 1:-1], smooth[..., 1:-1, 1:-1])


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_only_the_papers_decoder_looks_at_the_indices(upsampling):
    model, x = small(upsampling=upsampling).eval(), torch.randn(1, 3, 64, 64)
    deep, kept = model.encode(x)
    moved = [(indices.flip(-1), size) for indices, size in kept]
    answers = []
    for places in (kept, moved):
        y = deep
        for number, decoder in enumerate(model.decoders):
            y = decoder(y, *places[4 - number])
        answers.append(y)
    torch.testing.assert_close(answers[0], model(x))
    assert torch.equal(*answers) == (upsampling != "indices")


def test_torchvision_vgg16_bn_becomes_the_encoder():
    state = torchvision.models.vgg16_bn(weights=None).state_dict()
    with torch.device("meta"):
        model = create("segnet", 19)
    model.to_empty(device="cpu")  # filled from the file alone
    unused = load_torchvision(model, state)
    assert unused == [f"classifier.{i}.{part}" for i in (0, 3, 6) for part in ("weight", "bias")]
    own = model.encoder.state_dict()
    assert all(torch.equal(own[key], state[key]) for key in own)
    with torch.device("meta"):
        other = torchvision.models.vgg11_bn(weights=None).state_dict()
    with pytest.raises(ValueError, match="none were loaded"):
        load_torchvision(model, other)
    with pytest.raises(ValueError, match="none were loaded"):
        load_torchvision(create("segnet", 19, width=8), state)


def test_deepest_map_sees_212_pixels():
    """The encoder is VGG16's: the receptive field of pool5."""
    rows = [row for row in receptive_field(small(), (256, 256)) if row.receptive_field == (212, 212)]
    assert rows and rows[0].stride == (32, 32)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="upsampling='nearest'"):
        SegNet(5, upsampling="nearest")
    with pytest.raises(ValueError, match="encoder='vgg15'"):
        SegNet(5, encoder="vgg15")
