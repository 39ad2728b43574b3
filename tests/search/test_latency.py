"""Expected latency: equal to the enumeration of all paths in value and gradient; the table is measured in turns."""

from __future__ import annotations

import math
from itertools import product
from typing import ClassVar

import pytest
import torch
from torch import nn

from segkit.search import Term, expected_latency, latency_table, path_latency


def problem(seed: int, choices: int, terms: int) -> tuple[list[torch.Tensor], list[Term]]:
    """Random choices of 2 to 4 options, and terms over up to three of them each."""
    make = torch.Generator().manual_seed(seed)

    def number(most: int) -> int:
        return int(torch.randint(1, most + 1, (), generator=make))

    logits = [2 * torch.randn(1 + number(3), generator=make, dtype=torch.float64) for _ in range(choices)]
    table = []
    for _ in range(terms):
        places = torch.randperm(choices, generator=make)[: number(min(3, choices))].tolist()
        shape = [len(logits[place]) for place in places]
        table.append(Term(torch.rand(shape, generator=make, dtype=torch.float64), places))
    return [choice.requires_grad_() for choice in logits], table


def enumerated(logits: list[torch.Tensor], table: list[Term]) -> torch.Tensor:
    """The sum over all paths of probability times latency."""
    total = torch.zeros((), dtype=torch.float64)
    for path in product(*(range(len(choice)) for choice in logits)):
        share = torch.stack([choice.softmax(0)[option] for choice, option in zip(logits, path, strict=True)]).prod()
        total = total + share * path_latency(path, table)
    return total


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_sum_over_all_paths_in_value_and_gradient(seed):
    logits, table = problem(seed, choices=1 + seed, terms=4)
    ours, theirs = expected_latency(logits, table), enumerated(logits, table)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    gradients = [
        torch.autograd.grad(total, logits, allow_unused=True, materialize_grads=True) for total in (ours, theirs)
    ]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-10, atol=1e-14)
    assert any(g.any() for g in gradients[0])


def test_a_chain_of_blocks_and_widths():
    """Three layers of two blocks and three widths: 216 paths, and a layer's time depends on the width before it."""
    torch.manual_seed(0)
    logits = [torch.randn(k, dtype=torch.float64, requires_grad=True) for _ in range(3) for k in (2, 3)]
    times = torch.rand(3, 2, 3, 3, dtype=torch.float64)
    table = [Term(times[0][:, 2], (0, 1)), Term(times[1], (2, 1, 3)), Term(times[2], (4, 3, 5))]
    torch.testing.assert_close(expected_latency(logits, table), enumerated(logits, table))
    path = (1, 0, 0, 2, 1, 1)
    assert path_latency(path, table) == pytest.approx(float(times[0][1, 2, 0] + times[1][0, 0, 2] + times[2][1, 2, 1]))


def test_where_all_is_decided_it_is_the_latency_of_that_path():
    _, table = problem(3, choices=4, terms=5)
    sizes = {c: n for term in table for c, n in zip(term.choices, term.latency.shape, strict=True)}
    path = [sizes.get(c, 1) - 1 for c in range(4)]
    logits = [100 * torch.eye(sizes.get(c, 1), dtype=torch.float64)[path[c]] for c in range(4)]
    assert float(expected_latency(logits, table)) == pytest.approx(path_latency(path, table), rel=1e-12)


def test_detached_choices_leave_the_value_and_get_no_gradient():
    logits, table = problem(2, choices=3, terms=6)
    held = [choice if i == 1 else choice.detach() for i, choice in enumerate(logits)]
    expected_latency(held, table).backward()
    assert logits[1].grad.any() and logits[0].grad is None
    assert expected_latency(held, table) == expected_latency(logits, table)


def test_following_its_gradient_finds_the_fastest_path():
    logits = [torch.zeros(3, requires_grad=True), torch.zeros(2, requires_grad=True)]
    table = [Term(torch.tensor([[3.0, 9.0], [2.0, 8.0], [4.0, 1.0]]), (0, 1))]
    optimizer = torch.optim.SGD(logits, 0.5)
    for _ in range(200):
        optimizer.zero_grad()
        expected_latency(logits, table).backward()
        optimizer.step()
    found = [int(choice.argmax()) for choice in logits]
    assert path_latency(found, table) <= 2.0 and expected_latency(logits, table) < 2.2


def test_nothing_to_sum():
    assert expected_latency([], []) == 0 and path_latency([], []) == 0
    assert expected_latency([torch.zeros(2)], []) == 0


@pytest.mark.parametrize(
    ("logits", "table", "said"),
    [
        (torch.zeros(2, 2), [], "give a list, one vector for each choice"),
        ([torch.zeros(2, 2)], [], r"logits\[0\] of torch.float32 and shape \(2, 2\)"),
        ([torch.zeros(2), torch.zeros(0)], [], r"logits\[1\]"),
        ([torch.tensor([0.0, math.nan])], [], "finite"),
        ([torch.zeros(2)], [Term(torch.ones(2), (1,))], r"table\[0\] over the choices \(1,\); there are 1"),
        ([torch.zeros(2)], [Term(torch.ones(3), (0,))], r"table\[0\] with 3 options for choice 0, whose logits are 2"),
        ([torch.zeros(2)], [torch.ones(2)], "table"),
    ],
)
def test_what_does_not_belong_together_is_refused(logits, table, said):
    with pytest.raises((TypeError, ValueError), match=f"expected_latency got .*{said}"):
        expected_latency(logits, table)


def test_paths_and_terms_are_held_to_what_they_are():
    table = [Term(torch.ones(2, 3), (1, 0))]
    with pytest.raises(ValueError, match=r"path=\(3, 0\); a term over the choices \(1, 0\) has \(2, 3\) options"):
        path_latency((3, 0), table)
    with pytest.raises(ValueError, match="there are 1"):
        path_latency((0,), table)
    for latency, choices in (
        (torch.ones(2), (0, 1)),
        (torch.ones(2, 2), (1, 1)),
        (torch.ones(2), (-1,)),
        (-torch.ones(2), (0,)),
        (torch.tensor([math.inf]), (0,)),
        (torch.ones(2).long(), (0,)),
    ):
        with pytest.raises(ValueError, match="Term got"):
            Term(latency, choices)


# the table ------------------------------------------------------------------------------------------------------------


class Waits(nn.Module):
    """A block whose time is known: it moves the clock."""

    now = 0.0
    calls: ClassVar[list[tuple[str, int, int, tuple[int, ...]]]] = []

    def __init__(self, name: str, before: int, after: int, seconds: float) -> None:
        super().__init__()
        self.key, self.seconds = (name, before, after), seconds
        self.weight = nn.Parameter(torch.randn(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Waits.now += self.seconds
        Waits.calls.append((*self.key, tuple(x.shape)))
        assert not self.training and not torch.is_grad_enabled()
        return x


def test_the_table_is_measured_in_turns_and_medians_are_its_entries(monkeypatch):
    monkeypatch.setattr(Waits, "now", 0.0)
    monkeypatch.setattr(Waits, "calls", [])
    blocks = {"slow": lambda i, o: Waits("slow", i, o, 10.0 * i + o), "fast": lambda i, o: Waits("fast", i, o, 0.5 * i)}
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    found = latency_table(blocks, (2, 4), (1, 2, 3), (6, 7), rounds=3, clock=lambda: Waits.now)
    assert torch.equal(torch.rand(2), expected), "the caller's random numbers stay"
    torch.testing.assert_close(found[0], torch.tensor([[21.0, 22.0, 23.0], [41.0, 42.0, 43.0]]))
    torch.testing.assert_close(found[1], torch.tensor([[1.0] * 3, [2.0] * 3]))
    assert found.shape == (2, 2, 3) and Waits.calls[:12] * 4 == Waits.calls
    assert Waits.calls[0] == ("slow", 2, 1, (1, 2, 6, 7)) and Waits.calls[11] == ("fast", 4, 3, (1, 4, 6, 7))


def test_real_blocks_have_real_times():
    found = latency_table({"3×3": lambda i, o: nn.Conv2d(i, o, 3)}, [2, 2], [3], 5, rounds=1)
    assert found.shape == (1, 2, 1) and ((found > 0) & (found < 1)).all()
    mean = expected_latency([torch.zeros(1), torch.zeros(2)], [Term(found[..., 0], (0, 1))])
    torch.testing.assert_close(mean, found.mean())


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": {}},
        {"blocks": 3},
        {"blocks": {"a": lambda i, o: i}},
        {"before": ()},
        {"after": (0,)},
        {"size": 0},
        {"size": (1, 2, 3)},
        {"rounds": 0},
    ],
)
def test_a_table_of_nothing_is_refused(wrong):
    given = {"blocks": {"1×1": lambda i, o: nn.Conv2d(i, o, 1)}, "before": (1,), "after": (1,), "size": 4, **wrong}
    with pytest.raises((TypeError, ValueError), match=r"(latency_table|in_turns) got"):
        latency_table(**given)


def test_terms_are_compared_as_things():
    one, other = (Term(torch.ones(3), (0,)) for _ in range(2))
    assert one == one and one != other and len({one, other, one}) == 2
