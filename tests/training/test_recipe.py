"""Recipes as data: named, printed, read, refused by name; rates by formula; what each setting does to the weights."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from segkit.data import VOID, Augmented, Sample
from segkit.data.transforms import RandomFlip
from segkit.training import Config, Recipe, Trainer, evaluate, recipes
from tests.training.test_loop import Stripes


class Tiny(nn.Module):
    """An encoder, a head and an auxiliary head with scores at half size; one forward for all."""

    def __init__(self, norm=True):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4) if norm else nn.Identity())
        self.head, self.extra = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1, stride=2)

    def forward(self, x, outputs=False):
        x = self.encoder(x).relu()
        logits = self.head(x)
        return {"logits": logits, "aux": self.extra(x), "features": x} if outputs else logits


class Uneven(Stripes):
    """Pictures in double precision, each with more void than the one before; the last is all void."""

    def __getitem__(self, i):
        sample = super().__getitem__(i)
        sample.labels[: 2 * i + 1] = VOID
        if i == len(self) - 1:
            sample.labels[:] = VOID
        return Sample(sample.image.double() + torch.randn(3, 24, 32, generator=torch.Generator().manual_seed(i)),
                      sample.labels, name=sample.name)  # fmt: skip


def run(model=None, data=None, **settings):
    settings = {"steps": 3, "batch_size": 4, "device": "cpu", **settings}
    trainer = Trainer(model or Tiny(), data or Stripes(), Recipe(**settings))
    trainer.fit(quiet=True)
    return trainer


def moved(before, after):
    return {k: not torch.equal(before[k], v) for k, v in after.state_dict().items()}


def test_every_named_recipe_goes_through_json_and_back(tmp_path):
    assert {"street", "camvid", "voc2012", "folder", "deeplab", "pspnet"} <= set(recipes.available())
    for name in recipes.available():
        recipe = recipes.create(name, steps=123, class_weights=[1, 2.5])
        assert recipe.name == name and recipe.steps == 123
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(recipe.as_dict()), encoding="utf-8")
        assert recipes.create(path) == Recipe(**json.loads(path.read_text(encoding="utf-8"))) == recipe
        assert recipes.create(str(path), lr=0.5).lr == 0.5


def test_what_is_a_recipe_prints_what_it_changes():
    text = str(recipes.create("deeplab", steps=7))
    assert text.startswith("recipe deeplab: steps 7, batch_size 10, lr 0.00025")
    assert "head_lr 10.0" in text and "power" not in text and "ema" not in text


def test_config_is_the_recipe_with_the_arguments_of_the_first_chapters():
    config = Config(5, 12, 6e-3, seed=3, schedule="constant", ema=0.97, device="cpu")
    assert config == Recipe(steps=5, batch_size=12, lr=6e-3, seed=3, schedule="constant", ema=0.97, device="cpu")
    assert (config.weight_decay, config.clip, config.save_every) == (1e-2, 5.0, 200)
    assert Config(steps=np.int64(5), lr=np.float32(0.5)).as_dict()["steps"] == 5
    json.dumps(Config(steps=np.int64(5), lr=np.float32(0.5)).as_dict())


WRONG = [
    ({"batch_size": 2.5}, "batch_size=2.5"),
    ({"steps": 0}, "steps=0"),
    ({"steps": True}, "steps=True"),
    ({"lr": math.inf}, "lr=inf; it takes a finite number above 0"),
    ({"lr": "1e-3"}, "lr='1e-3'"),
    ({"lr": None}, "lr=None"),
    ({"weight_decay": math.nan}, "weight_decay=nan"),
    ({"weight_decay": -1}, "weight_decay=-1"),
    ({"momentum": 1}, "momentum=1; it takes a finite number of at least 0 and below 1"),
    ({"seed": 2**32}, "seed=4294967296"),
    ({"seed": -1}, "seed=-1"),
    ({"ema": 1.5}, "ema=1.5"),
    ({"clip": 0}, "clip=0"),
    ({"accumulate": 0}, "accumulate=0"),
    ({"schedule": "step"}, "schedule='step'.*'onecycle' or 'poly'"),
    ({"optimizer": "adam"}, "optimizer='adam'"),
    ({"warmup": 300}, "warmup=300"),
    ({"nesterov": True}, "nesterov=True"),
    ({"nesterov": "yes"}, "nesterov='yes'"),
    ({"amp": 1}, "amp=1"),
    ({"losses": {"focal": 1}}, "losses.*cross_entropy, ohem, dice"),
    ({"losses": {}}, "losses"),
    ({"losses": {"dice": 0}}, r"losses\['dice'\]=0"),
    ({"aux": ["aux"]}, "aux=.*such as"),
    ({"aux": {"aux": math.inf}}, r"aux\['aux'\]=inf"),
    ({"class_weights": "mean"}, "class_weights='mean'.*median"),
    ({"class_weights": [1, -1]}, "class_weights=-1"),
    ({"flip": 1.5}, "flip=1.5"),
    ({"scale": (2.0, 1.0)}, "low=2.0, high=1.0"),
    ({"scale": 2.0}, "scale=2.0; it takes 2 numbers"),
    ({"crop": (0, 4)}, "crop=0"),
    ({"crop": (1, 2, 3)}, "crop=.1, 2, 3."),
    ({"jitter": (0.1, 0.1)}, "jitter=.0.1, 0.1.; it takes 4 numbers"),
    ({"elastic": (10, 0)}, "sigma=0"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_a_setting_that_cannot_be_is_named_with_what_it_takes(settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Recipe(**settings)


def test_files_that_are_no_recipe(tmp_path):
    path = tmp_path / "mine.json"
    cases = {
        '{"step": 5}': "mine.json: a recipe has no 'step'; did you mean 'steps'",
        '{"lr": NaN}': "mine.json: .*lr=nan",
        '{"batch_size": 2.5}': "mine.json: .*batch_size=2.5",
        "[1]": r"mine.json holds JSON, a list; a recipe is one of street, .*\{\"steps\": 1000\}",
        '{"steps": 5': 'mine.json is not a recipe in JSON, such as {"steps": 1000}: Expecting',
    }
    for text, words in cases.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises((ValueError, TypeError), match=words):
            recipes.create(path)
    path.write_bytes(b"\xef\xbb\xbf" + b'{"steps": 5}')
    assert recipes.create(path) == Recipe(steps=5, name="mine"), "Windows' editors put a mark before the first brace"
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        recipes.create(tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"no recipe 'deeplap'.*deeplab"):
        recipes.create("deeplap")
    with pytest.raises(ValueError, match="no 'learning'; did you mean"):
        recipes.create("deeplab", learning=3)


def test_rates_by_their_formulas():
    poly = Recipe(steps=100, lr=0.5, schedule="poly", power=0.7, warmup=20)
    assert [poly.rate(s) for s in (0, 19)] == pytest.approx([0.5 / 21, 0.5 * 20 / 21])
    assert [poly.rate(s) for s in (20, 60, 99)] == pytest.approx([0.5, 0.5 * 0.5**0.7, 0.5 * (1 / 80) ** 0.7])
    cosine = Recipe(steps=100, lr=0.5, schedule="cosine")
    assert [cosine.rate(s) for s in (0, 25, 50)] == pytest.approx([0.5, 0.25 + 0.25 * math.sqrt(0.5), 0.25])
    assert Recipe(steps=100, lr=0.5, schedule="constant", warmup=4).rate(1) == pytest.approx(0.2)
    one = Recipe(steps=100, lr=0.5, warmup=30)
    assert (
        one.rate(0) == pytest.approx(0.02)
        and one.rate(30) == pytest.approx(0.5)
        and one.rate(65) == pytest.approx(0.25)
    )


def test_the_head_learns_faster_by_its_factor():
    settings = {"steps": 1, "optimizer": "sgd", "momentum": 0.0, "schedule": "constant", "clip": None, "lr": 0.01}
    before = Tiny().state_dict()
    steps = {k: {n: v - before[n] for n, v in run(**settings, head_lr=k).model.state_dict().items()} for k in (1, 10)}
    for name in ("head.weight", "head.bias"):
        torch.testing.assert_close(steps[10][name], 10 * steps[1][name], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(steps[10]["encoder.0.weight"], steps[1]["encoder.0.weight"])
    trainer = run(schedule="poly", head_lr=10.0)
    rates = sorted(group["lr"] for group in trainer.optimizer.param_groups)
    assert rates == pytest.approx([trainer.recipe.rate(2), 10 * trainer.recipe.rate(2)])


def test_a_model_may_say_what_its_head_is_and_must_where_there_is_no_encoder():
    class Own(Tiny):
        def parameter_groups(self):
            return {"head": [self.extra.weight], "encoder": []}

    trainer = Trainer(Own(), Stripes(), Recipe(head_lr=10.0, device="cpu"))
    sizes = {scale: len(g["params"]) for g, scale in zip(trainer.optimizer.param_groups, trainer.scales, strict=True)}
    assert sizes == {1.0: 7, 10.0: 1}
    with pytest.raises(ValueError, match=r"Conv2d has no \.encoder"):
        Trainer(nn.Conv2d(3, 2, 1), Stripes(), Recipe(head_lr=10.0, device="cpu"))


def test_what_is_no_weight_may_be_left_out_of_the_decay():
    def decayed(decay):
        model = Tiny()
        model.encoder.append(nn.PReLU(4))  # its slopes are no weights, nor are biases and BatchNorm's scale and shift
        trainer = Trainer(model, Stripes(), Recipe(decay=decay, weight_decay=0.3, device="cpu"))
        named = {p: name for name, p in trainer.model.named_parameters()}
        return {named[p] for g in trainer.optimizer.param_groups if g["weight_decay"] == 0.3 for p in g["params"]}

    assert decayed("weights") == {"encoder.0.weight", "head.weight", "extra.weight"}
    assert decayed("all") == {name for name, _ in Tiny().named_parameters()} | {"encoder.2.weight"}


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_torchs(nesterov):
    data, model = Stripes(4), Tiny()
    theirs = torch.optim.SGD(model.parameters(), 0.1, momentum=0.8, weight_decay=0.01, nesterov=nesterov)
    settings = {"optimizer": "sgd", "momentum": 0.8, "nesterov": nesterov, "weight_decay": 0.01, "lr": 0.1}
    ours = run(data=data, schedule="constant", clip=None, **settings).model
    for epoch in range(3):
        order = torch.randperm(4, generator=torch.Generator().manual_seed(epoch)).tolist()
        image, labels = (torch.stack([getattr(data[i], f) for i in order]) for f in ("image", "labels"))
        theirs.zero_grad()
        nn.functional.cross_entropy(model(image), labels, ignore_index=VOID).backward()
        theirs.step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("norm", ["learn", "fixed", "frozen"])
def test_batchnorm_that_is_frozen_stays_frozen(norm):
    before = {k: v.clone() for k, v in Tiny().state_dict().items()}
    trainer = Trainer(Tiny(), Stripes(), Recipe(steps=6, batch_size=4, norm=norm, device="cpu", ema=0.9))
    trainer.fit(until=2, quiet=True)
    evaluate(trainer.model, Stripes(4), device="cpu")
    trainer.model.train()
    trainer.fit(quiet=True)
    changed = moved(before, trainer.model)
    assert changed["encoder.1.running_mean"] is changed["encoder.1.running_var"] is (norm == "learn")
    assert changed["encoder.1.weight"] is changed["encoder.1.bias"] is (norm != "frozen")
    assert changed["encoder.0.weight"] and changed["head.weight"]
    assert moved(before, trainer.ema)["encoder.1.running_mean"] is (norm == "learn")


def test_what_was_put_to_sleep_by_hand_stays_asleep():
    model = Tiny().train()
    model.encoder[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trainer = run(model)
    trainer.recipe = trainer.recipe.changed(steps=6)
    trainer.fit(quiet=True)
    assert not moved(before, model)["encoder.1.running_mean"] and moved(before, model)["encoder.1.weight"]


@pytest.mark.parametrize("weight", [None, [1.0, 3.0]], ids=["plain", "weighted"])
@pytest.mark.parametrize("parts", [2, 3, 8, 50])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(weight, parts):
    """Unequal numbers of void pixels, one picture all void; without BatchNorm, which sees each part by itself."""
    settings = {"steps": 2, "batch_size": 8, "aux": {"aux": 0.4}, "clip": None, "optimizer": "sgd", "lr": 0.1}
    settings |= {"class_weights": weight} if weight else {}
    whole, split = (
        run(Tiny(norm=False).double(), Uneven(8), accumulate=k, schedule="constant", **settings) for k in (1, parts)
    )
    assert [h["loss"] for h in split.history] == pytest.approx([h["loss"] for h in whole.history], rel=1e-6)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(split.model.state_dict()[name], value, rtol=1e-6, atol=1e-9)
    assert moved(Tiny(norm=False).double().state_dict(), split.model)["extra.weight"]


def test_parts_are_seen_one_after_the_other():
    seen = []
    model = Tiny()
    model.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    run(model, steps=1, batch_size=7, accumulate=3)
    assert seen == [3, 2, 2]


def test_an_auxiliary_output_counts_by_its_weight_and_by_its_name():
    def slope(**settings):
        trainer = Trainer(Tiny(), Stripes(4), Recipe(steps=1, batch_size=4, device="cpu", clip=None, **settings))
        trainer.fit(quiet=True)
        return {name: p.grad for name, p in trainer.model.named_parameters()}

    none, small, large = slope(), slope(aux={"aux": 0.2}), slope(aux={"aux": 0.6})
    assert none["extra.weight"] is None
    torch.testing.assert_close(large["extra.weight"], 3 * small["extra.weight"])
    torch.testing.assert_close(large["head.weight"], none["head.weight"])
    assert not torch.allclose(large["encoder.0.weight"], none["encoder.0.weight"])
    for wrong in ("auxiliary", "features", "logits"):
        with pytest.raises(ValueError, match=f"'{wrong}'; this model has aux with scores of 2 classes"):
            slope(aux={wrong: 0.4})


def test_class_weights_are_counted_on_the_plain_set():
    trainer = Trainer(Tiny(), Augmented(Stripes(), RandomFlip()), Recipe(class_weights="median", crop=8, device="cpu"))
    labels = torch.stack([s.labels for s in map(Stripes().__getitem__, range(12))])
    share = torch.stack([(labels == c).sum() for c in (0, 1)]).double()
    torch.testing.assert_close(trainer.weight, (share.mean() / share).float())
    assert torch.equal(
        Trainer(Tiny(), Stripes(), Recipe(class_weights=[1, 2], device="cpu")).weight, torch.tensor([1.0, 2])
    )
    with pytest.raises(ValueError, match="weight=… takes the place"):
        Trainer(Tiny(), Stripes(), Recipe(class_weights="log", device="cpu"), torch.ones(2))
    with pytest.raises(ValueError, match="loss=… takes the place"):
        Trainer(Tiny(), Stripes(), Recipe(losses={"dice": 1}, device="cpu"), loss=lambda model, batch: None)


def test_augmentation_of_the_recipe_is_what_the_network_sees():
    seen = []
    model = Tiny()
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    run(model, crop=(40, 16), scale=(0.5, 0.75), elastic=(4, 3), flip=1.0, jitter=(0.1, 0.1, 0.1, 0.01))
    assert seen == [(4, 3, 40, 16)] * 3
    sample = Recipe(crop=(40, 16)).augmentation()(Stripes()[0], np.random.default_rng(0))
    assert sample.labels.shape == (40, 16) and int((sample.labels == VOID).sum()) == 16 * 18, "24 rows, 2 of them void"
    flipped = Recipe(flip=1.0).augmentation()(Stripes()[0], np.random.default_rng(0))
    assert torch.equal(flipped.image, Stripes()[0].image.flip(-1)) and Recipe().augmentation() is None


def test_pictures_of_different_sizes_train_by_the_crop_and_are_refused_by_name_without():
    class Sizes(Stripes):
        def __getitem__(self, i):
            sample = super().__getitem__(i)
            return Sample(sample.image[:, : 10 + i], sample.labels[: 10 + i], name=sample.name)

    assert len(run(data=Sizes(), crop=(16, 24), norm="learn").history) == 3
    with pytest.raises(ValueError, match="different sizes"):
        run(data=Sizes())


def test_subsets_and_several_sets_in_one_train_and_hear_of_the_epoch():
    inner = [Augmented(Stripes(), RandomFlip()), Augmented(Stripes(), RandomFlip())]
    both = torch.utils.data.ConcatDataset([torch.utils.data.Subset(inner[0], [0, 1, 2]), inner[1]])
    run(data=both, steps=7)
    assert [s.epoch for s in inner] == [2, 2]


def test_the_loss_of_a_step_is_of_as_many_pictures_as_there_are():
    assert run(data=Stripes(2), batch_size=16).order.batch == 2


def test_what_fit_cannot_do_is_said():
    trainer = Trainer(Tiny(), Stripes(), Recipe(device="cpu"))
    for until in (0, -1, 2.5):
        with pytest.raises((ValueError, TypeError), match="until"):
            trainer.fit(until=until)
    with pytest.raises(ValueError, match="nothing to train"):
        Trainer(Tiny().requires_grad_(False), Stripes(), Recipe(device="cpu"))
    absent = "cuda" if torch.backends.mps.is_available() else "mps"
    for device, words in (("gpu", "no device 'gpu'"), ("", "no device ''"), (absent, f"finds no {absent}")):
        with pytest.raises(ValueError, match=words):
            Trainer(Tiny(), Stripes(), Recipe(device=device))


@pytest.mark.parametrize(("encoder", "stride"), [("resnet18", 32), ("resnet18", 8), ("vgg11", 16), ("vgg11", 8)])
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (321, 33)])
def test_auxiliary_scores_stand_where_the_encoder_has_them(encoder, stride, size):
    """Scores that say where their cell stands give, at the size of the picture, where each pixel stands."""
    from segkit.models import create
    from segkit.training.objective import _at_pixels

    model = create("fcn8s", 2, width=2, encoder=encoder)
    first = 0 if model.encoder.corner_aligned else (stride - 1) / 2
    cells = [torch.arange(-(-n // stride)) * stride + first for n in size]
    scores = torch.stack([c.float() for c in torch.meshgrid(*cells, indexing="ij")])[None]
    found = _at_pixels(scores, torch.zeros(1, *size), model)
    for axis, n in enumerate(size):
        seen = found[0, axis].select(1 - axis, 0)
        inside = slice(math.ceil(first), int(cells[axis][-1]) + 1)
        torch.testing.assert_close(seen[inside], torch.arange(n).float()[inside], atol=1e-3, rtol=0)


def test_auxiliary_scores_of_a_model_with_half_pixel_centres_have_them_too():
    from segkit.models import create
    from segkit.training.objective import _at_pixels

    model = create("fcn_resnet", 3, encoder="resnet18", width=2, aux=True, align_corners=False).eval()
    found = model(torch.randn(1, 3, 45, 70), outputs=True)
    spread = _at_pixels(found["score"], torch.zeros(1, 45, 70), model)
    torch.testing.assert_close(spread, found["logits"])
