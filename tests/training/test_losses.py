"""Cross-entropy against torch's, void that neither crashes nor teaches, weights by hand, sampling."""

import math

import pytest
import torch
import torch.nn.functional as F

from segkit.data import Batch
from segkit.models import create
from segkit.training import (
    Recipe,
    check_labels,
    class_weights,
    count_pixels,
    cross_entropy,
    dice_loss,
    distillation_loss,
    keep_centre,
    ohem_cross_entropy,
    presence_loss,
    sample_patches,
    sample_pixels,
)
from segkit.training.objective import objective


def case(seed=0, void=0.3, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    logits = (3 * torch.randn(2, 4, 5, 7, generator=g, dtype=torch.float64)).to(dtype).requires_grad_()
    target = torch.randint(4, (2, 5, 7), generator=g)
    target[torch.rand(2, 5, 7, generator=g) < void] = 255
    return logits, target


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_torch_in_value_and_gradient(weighted, reduction, seed):
    logits, target = case(seed)
    weight = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64) if weighted else None
    ours = cross_entropy(logits, target, weight, reduction=reduction)
    theirs = F.cross_entropy(logits, target, weight, ignore_index=255, reduction=reduction)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    g = [torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(g[0], g[1], rtol=1e-10, atol=1e-12)


def test_a_batch_of_void_gives_nought_and_no_gradient():
    logits, target = case(void=2.0)
    loss = cross_entropy(logits, target)
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_void_pixels_teach_nothing():
    logits, target = case()
    cross_entropy(logits, target).backward()
    void = (target == 255)[:, None].expand_as(logits)
    assert not logits.grad[void].any() and logits.grad[~void].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_do_not_overflow(dtype):
    logits = torch.zeros(1, 2, 64, 64, dtype=dtype)
    logits[:, 0] = 6e4 if dtype == torch.float16 else 1e5
    loss = cross_entropy(logits, torch.ones(1, 64, 64, dtype=torch.int64))
    assert torch.isfinite(loss) and loss > 5e4


def test_a_label_that_is_no_class_is_named_with_its_picture():
    target = torch.zeros(2, 4, 4, dtype=torch.int64)
    target[1, 2, :3] = 11
    with pytest.raises(ValueError, match=r"b\.png: 3 pixels have label 11; the classes are 0 to 10"):
        check_labels(target, 11, ("a.png", "b.png"))
    with pytest.raises(ValueError, match="picture 1 of the batch"):
        cross_entropy(torch.zeros(2, 11, 4, 4), target)
    target[1] = -1
    with pytest.raises(ValueError, match="label -1"):
        check_labels(target, 11)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="N×K×H×W and N×H×W"):
        cross_entropy(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="reduction='max'"):
        cross_entropy(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64), reduction="max")
    with pytest.raises(ValueError, match="for 3 classes"):
        cross_entropy(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64), torch.ones(2))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("threshold", "kept"), [(0.7, 0.1), (0.0, 0.25), (0.05, 0.5), (1.0, 0.0), (0.0, 0.0)])
def test_ohem_keeps_exactly_the_hardest(threshold, kept, weighted):
    logits, target = case()
    weight = torch.tensor([0.5, 2.0, 1.0, 1.5], dtype=torch.float64) if weighted else None
    counted = (target != 255).nonzero().tolist()
    p = {(n, y, x): float(torch.softmax(logits[n, :, y, x], 0)[target[n, y, x]].detach()) for n, y, x in counted}
    hardest = sorted(p, key=p.__getitem__)
    number = max(1, round(kept * len(p)), sum(value < threshold for value in p.values()))
    only = torch.full_like(target, 255)
    for place in hardest[:number]:
        only[place] = target[place]
    ours, theirs = ohem_cross_entropy(logits, target, weight, threshold, kept), cross_entropy(logits, only, weight)
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes)
    assert int((slopes[0] != 0).any(1).sum()) == number


def test_ohem_without_a_pixel_and_with_a_broken_network():
    logits, target = case(void=2.0)
    assert ohem_cross_entropy(logits, target).item() == 0
    assert ohem_cross_entropy(torch.full((1, 2, 2, 2), torch.nan), torch.zeros(1, 2, 2, dtype=torch.long)).isnan()
    with pytest.raises(ValueError, match=r"threshold=1\.5"):
        ohem_cross_entropy(logits, target, threshold=1.5)


def test_dice_by_hand():
    """Two pixels and a void one: p = (0.8, 0.2) and (0.4, 0.6), labels 0 and 1."""
    logits = torch.tensor([[0.8, 0.4, 0.5], [0.2, 0.6, 0.5]], dtype=torch.float64).log().view(1, 2, 1, 3)
    target = torch.tensor([[[0, 1, 255]]])
    first, second = 2 * 0.8 / (0.8**2 + 0.4**2 + 1), 2 * 0.6 / (0.2**2 + 0.6**2 + 1)
    assert dice_loss(logits, target).item() == pytest.approx(1 - (first + second) / 2)
    weight = torch.tensor([1.0, 3.0])
    assert dice_loss(logits, target, weight).item() == pytest.approx(1 - (first + 3 * second) / 4)
    target[0, 0, 1] = 255
    assert dice_loss(logits, target).item() == pytest.approx(1 - 1.6 / (0.8**2 + 1)), "class 1 does not occur"


@pytest.mark.parametrize("seed", range(3))
def test_dice_against_a_loop(seed):
    logits, target = case(seed)
    target[target == 2] = 255
    p, scores = torch.softmax(logits, 1), []
    for c in (0, 1, 3):
        over, sizes = 0.0, 0.0
        for n, y, x in (target != 255).nonzero().tolist():
            g, q = float(target[n, y, x] == c), p[n, c, y, x]
            over, sizes = over + q * g, sizes + q * q + g
        scores.append(2 * over / sizes)
    expected = 1 - sum(scores) / 3
    torch.testing.assert_close(dice_loss(logits, target), expected)
    slopes = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (dice_loss(logits, target), expected)]
    torch.testing.assert_close(*slopes)


def test_dice_where_all_is_void_in_half_precision_and_with_shapes_that_differ():
    logits, target = case(void=2.0)
    loss = dice_loss(logits, target)
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()
    big = torch.zeros(1, 2, 512, 512, dtype=torch.float16)
    assert dice_loss(big, torch.ones(1, 512, 512, dtype=torch.int64)).item() == pytest.approx(0.2)
    with pytest.raises(ValueError, match="dice_loss got logits"):
        dice_loss(logits, target[:1])


def test_pixels_of_a_set_are_counted_and_wrong_ones_named():
    from tests.training.test_loop import Stripes

    counts = count_pixels(Stripes(5))
    assert counts.sum() == 5 * 22 * 32 and counts[1] == sum(int((Stripes()[i].labels == 1).sum()) for i in range(5))
    with pytest.raises(ValueError, match="stripes/5: 1 pixels have label 7"):
        count_pixels(Stripes(bad=True))


def test_class_weights_by_hand():
    counts = torch.tensor([60, 30, 10, 0])
    torch.testing.assert_close(class_weights(counts), torch.tensor([0.5, 1.0, 3.0, 0.0]))  # median frequency 0.3
    even = class_weights(torch.tensor([10, 20, 30, 40]))  # the median of an even number lies between the middle two
    torch.testing.assert_close(even, torch.tensor([2.5, 1.25, 5 / 6, 0.625]))
    expected = 1 / torch.log(torch.tensor([1.62, 1.32, 1.12]))
    torch.testing.assert_close(class_weights(counts, "log")[:3], expected)
    with pytest.raises(ValueError, match="scheme='other'"):
        class_weights(counts, "other")
    with pytest.raises(ValueError, match="non-negative"):
        class_weights(torch.zeros(3))


def test_sampled_pixels_keep_about_their_share_and_stay_what_they_were():
    target = torch.arange(10000).view(1, 100, 100) % 7
    kept = sample_pixels(target, 0.25, torch.Generator().manual_seed(0))
    assert 0.22 < (kept != 255).double().mean() < 0.28
    assert torch.equal(kept[kept != 255], target[kept != 255])
    assert torch.equal(sample_pixels(target, 1.0), target) and (sample_pixels(target, 0.0) == 255).all()
    with pytest.raises(ValueError, match=r"share=1\.5"):
        sample_pixels(target, 1.5)


def test_patches_are_centred_on_labelled_pixels_and_cut_at_one_place():
    target = torch.arange(2 * 9 * 11).view(2, 9, 11) % 200
    target[0, :, :5] = 255
    image = target[:, None].float() + 1
    patches, labels = sample_patches(image, target, 5, 60, torch.Generator().manual_seed(0))
    assert patches.shape == (60, 1, 5, 5)
    inside = patches[:, 0] > 0
    assert torch.equal(patches[:, 0][inside].long() - 1, labels[inside]) and (labels[~inside] == 255).all()
    centres = labels[:, 2, 2]
    assert (centres != 255).all() and len(centres.unique()) > 30, "from many places, none of them void"


def test_balanced_patches_see_rare_classes_as_often():
    target = torch.zeros(1, 40, 40, dtype=torch.int64)
    target[0, 3, 4] = 1
    image = torch.zeros(1, 3, 40, 40)
    g = torch.Generator().manual_seed(0)
    rare = [
        float((sample_patches(image, target, 7, 200, g, balanced=b)[1][:, 3, 3] == 1).double().mean())
        for b in (False, True)
    ]
    assert rare[0] < 0.05 and 0.4 < rare[1] < 0.6


def test_patch_errors_and_the_central_block():
    image, target = torch.zeros(1, 3, 4, 4), torch.full((1, 4, 4), 255)
    with pytest.raises(ValueError, match="all void"):
        sample_patches(image, target, 3, 1)
    with pytest.raises(ValueError, match="size=0"):
        sample_patches(image, target, 0, 1)
    kept = keep_centre(torch.arange(36).view(1, 6, 6), 2)
    assert kept[kept != 255].tolist() == [14, 15, 20, 21]


@pytest.mark.parametrize("loss", [cross_entropy, ohem_cross_entropy, dice_loss])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_class_weights_are_finite_and_not_negative(loss, bad):
    with pytest.raises(ValueError, match=r"got the class weights .*0 or more"):
        loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64), torch.tensor([1.0, bad, 1.0]))


@pytest.mark.parametrize("side", [0, -2, 7, 2.0])
def test_the_centre_lies_in_the_labels(side):
    with pytest.raises(ValueError, match=f"keep_centre got side={side}"):
        keep_centre(torch.zeros(1, 8, 6, dtype=torch.int64), side)


def test_presence_counts_classes_and_not_pixels() -> None:
    """The mean over pictures and classes of −log of the right answer; void says nothing."""
    scores = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]]).double()
    labels = torch.full((2, 4, 5), 255)
    labels[0, 0, 0] = 2  # one pixel
    labels[1, :3] = 1
    p = scores.sigmoid()
    there = torch.tensor([[0, 0, 1], [0, 1, 0]]).double()
    expected = -(there * p.log() + (1 - there) * (1 - p).log()).mean()
    torch.testing.assert_close(presence_loss(scores, labels), expected)
    torch.testing.assert_close(presence_loss(scores[..., None, None], labels), expected)
    for wrong in (scores[..., None], scores[:1], scores[:, :2]):
        with pytest.raises(ValueError, match=r"presence_loss got|labels? 2"):
            presence_loss(wrong, labels)
    with pytest.raises(TypeError, match="presence_loss got scores of torch"):
        presence_loss(scores.long(), labels)


def test_a_recipe_weighs_the_presence_of_classes() -> None:
    torch.manual_seed(0)
    model = create("encnet", 5, encoder="resnet18", width=4).eval()
    batch = Batch(torch.rand(2, 3, 33, 33), torch.randint(0, 5, (2, 33, 33)))
    plain, told = (objective(Recipe(aux=aux))(model, batch) for aux in ({}, {"presence": 0.2}))
    found = model(batch.image, outputs=True)["presence"]
    torch.testing.assert_close(told, plain + 0.2 * presence_loss(found, batch.labels))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("void", [0.0, 0.3])
def test_distillation_is_torchs_divergence_over_the_pixels_that_count(temperature, void):
    student, target = case(void=void)
    teacher = case(seed=9)[0].detach()
    ours = distillation_loss(student, teacher, target, temperature)
    s, t = (x.div(temperature).movedim(1, -1)[target != 255] for x in (student, teacher))  # pixels, K
    theirs = temperature**2 * F.kl_div(s.log_softmax(1), t.softmax(1), reduction="batchmean")
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    g = [torch.autograd.grad(loss, student, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(g[0], g[1], rtol=1e-10, atol=1e-12)
    void_pixels = (target == 255)[:, None].expand_as(student)
    assert not g[0][void_pixels].any() and g[0][~void_pixels].any()
    if not void:
        torch.testing.assert_close(distillation_loss(student, teacher, None, temperature), ours)


def test_distillation_is_nought_at_the_teacher_and_where_all_is_void():
    student, target = case(void=2.0)
    shifted = student.detach() + 3  # the same distribution
    assert float(distillation_loss(student, shifted).detach()) == pytest.approx(0, abs=1e-12)
    loss = distillation_loss(student, -student, target)
    loss.backward()
    assert loss.item() == 0 and not student.grad.any()


def test_a_teacher_that_is_no_number_teaches_nothing_unseen():
    student, teacher = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    teacher[..., 1] = torch.nan
    for pair in ((student, teacher), (teacher, student)):
        assert distillation_loss(*pair).isnan()
    assert distillation_loss(student, teacher, torch.tensor([[[0, 255]]])) == 0  # where it does not count


def test_distillation_moves_the_student_alone():
    (student, _), teacher = case(), case(seed=1)[0]
    distillation_loss(student, teacher).backward()
    assert student.grad.any() and teacher.grad is None


def test_distillation_toward_certainty_is_cross_entropy():
    student, target = case()
    certain = 1e3 * F.one_hot(torch.where(target == 255, 0, target), 4).movedim(-1, 1).double()
    torch.testing.assert_close(distillation_loss(student, certain, target), cross_entropy(student, target))
    excluded = torch.where(certain > 0, 0.0, -math.inf)
    found = distillation_loss(student, excluded, target)
    torch.testing.assert_close(found, cross_entropy(student, target))
    assert torch.autograd.grad(found, student)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_distillation_of_half_precision_is_computed_in_float32(dtype):
    student, teacher = (case(seed, dtype=dtype)[0] for seed in (0, 1))
    torch.testing.assert_close(distillation_loss(student, teacher), distillation_loss(student.float(), teacher.float()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"teacher": torch.zeros(1, 3, 2, 2)}, r"a student \(1, 4, 2, 2\) and a teacher \(1, 3, 2, 2\)"),
        ({"teacher": torch.zeros(1, 4, 2, 2, dtype=torch.int64)}, "a teacher of torch.int64"),
        ({"target": torch.zeros(1, 3, 2, dtype=torch.int64)}, r"labels \(1, 3, 2\)"),
        ({"target": torch.full((1, 2, 2), 4)}, "label 4"),
        ({"temperature": 0.0}, "temperature=0"),
        ({"temperature": -1.0}, "temperature=-1"),
        ({"temperature": math.inf}, "temperature=inf"),
    ],
)
def test_distillation_refuses_what_does_not_fit(wrong, said):
    zeros = torch.zeros(1, 4, 2, 2)
    with pytest.raises((TypeError, ValueError), match=said):
        distillation_loss(**{"student": zeros, "teacher": zeros, **wrong})
