"""Chapter 08: DeepLab's poly schedule, for several stages of training and several groups of parameters."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.poly_schedule_ways import WAYS, Stages, schedule

TASK = """The learning rates of a whole training. stages is a list of (base, steps), one stage of training after the
other; factors has one number for each group of parameters (1 for the backbone, 10 for the head, 20 for its bias).
In a stage of T steps, step t = 0, 1, …, T − 1 (counted anew in each stage) has the rate base·(1 − t/T)^power:
base at its first step, not yet 0 at its last. In the first stage only, the first `warmup` steps (fewer than T)
climb instead: base·(t + 1)/(warmup + 1); the poly curve then begins at base and takes the remaining steps,
base·(1 − (t − warmup)/(T − warmup))^power. Return a row for each step of all stages, in their order, with one number
for each group: the rate times its factor."""


def _cases() -> list[Case]:
    deeplab = [1.0, 10.0, 20.0]
    return grouped(
        ("plain", ([(0.8, 4)], 1.0, 0, [1.0]), ([(1.0, 5)], 1.0, 0, [1.0, 10.0])),
        ("power", ([(0.5, 4)], 0.9, 0, [1.0]), ([(0.01, 6)], 2.0, 0, [1.0, 10.0]), ([(4.0, 3)], 0.5, 0, [1.0])),
        ("groups of parameters", ([(0.25, 4)], 1.0, 0, deeplab), ([(0.02, 3)], 0.9, 0, [1.0, 1.0, 0.1, 2.0])),
        ("several stages", ([(1.0, 4), (0.5, 4)], 1.0, 0, [1.0]), ([(0.4, 2), (0.3, 5), (0.1, 3)], 0.9, 0, [1.0])),
        ("several stages", ([(0.007, 5), (0.001, 3)], 0.9, 0, deeplab)),
        ("warm-up", ([(1.0, 5)], 1.0, 1, [1.0]), ([(0.6, 6)], 0.9, 2, [1.0]), ([(0.1, 10)], 0.9, 4, [1.0, 10.0])),
        ("warm-up", ([(1.0, 4)], 2.0, 3, [1.0])),
        ("warm-up and stages", ([(1.0, 5), (0.5, 4)], 1.0, 2, [1.0]), ([(0.3, 6), (0.2, 3)], 0.9, 3, deeplab)),
        ("one step", ([(0.1, 1)], 0.9, 0, [1.0]), ([(0.1, 1), (0.2, 3)], 0.9, 0, [1.0, 10.0])),
    )


def _facts(stages: Stages, power: float, warmup: int, factors: list[float]) -> dict[str, bool]:
    return {
        "there is a warm-up": warmup > 0,
        "there is more than one stage": len(stages) > 1,
        "the stages have different lengths": len({steps for _, steps in stages}) > 1,
        "the power is not 1": power != 1,
        "there is more than one group": len(factors) > 1,
        "a stage has a single step": any(steps == 1 for _, steps in stages),
    }


MESSAGES = """
power-ignored: The power makes no difference, or is always 0.9.
power-misplaced: The power stands in the wrong place. What remains of the stage is raised to it, (1 − t/T)^power: not
    t/T, not the base, and it is no factor.
power-inverted: The curve is raised to 1/power, or to 1 − power.
reaches-zero: Your rate is 0 at the last step, which then trains nothing: you divide by T − 1. By T, the last step has
    (1/T)^power.
starts-late: The first step does not have the full rate: t counts from 0.
steps-miscounted: There are more rows than steps, or fewer. t runs from 0 to T − 1; at t = T the rate would be 0, and
    nobody takes that step.
compounded: Each rate is made from the one before it, so that the factors multiply. Every step starts from base.
other-curve: The curve is another one: exponential, a cosine, or constant.
rising: The rate climbs where it should fall.
stages-not-restarted: Your t, or your T, runs on through all stages. Each stage counts its own steps from 0.
first-base-kept: All stages start at the rate of the first. Each has a base of its own.
first-length-kept: All stages are as long as the first.
one-stage-only: Only one stage is in your result: a list set anew in the loop, or a `return` inside it.
stages-nested: Your result has a list for each stage. The rows of all stages stand in one list.
warmup-ignored: The warm-up makes no difference.
warmup-starts-at-zero: The first step of the warm-up has the rate 0, or the climb is one step late: base·(t +
    1)/(warmup + 1).
warmup-too-steep: The warm-up reaches base in its last step. It divides by warmup + 1, and the step after it is the
    first with the full rate.
warmup-flat: The rate stands still during the warm-up, at base or at 0. It climbs.
poly-not-shifted: After the warm-up the poly curve goes on as if it had begun at t = 0. It begins at base, with (t −
    warmup)/(T − warmup).
poly-too-long: After the warm-up the poly curve is spread over T steps. T − warmup are left.
poly-multiplied: The warm-up multiplies the poly curve. It stands in its place.
warmup-added: The warm-up steps come on top of the T steps of the stage. They are its first ones.
warmup-in-every-stage: Every stage warms up. Only the first does.
factors-ignored: All groups have the same rate, or only the first group has one.
factors-in-the-power: The factor is raised to the power as well, or is an exponent. It multiplies the rate.
factors-added: The factors are added, or divide the rate. They multiply it.
factor-on-base-only: The factor does not reach the warm-up, or nothing but the warm-up.
groups-as-rows: Rows and columns of your result are exchanged: a row belongs to a step, and a column to a group.
left-flat: Your result is one flat list. It has a row for each step.
order-reversed: Your rows come last step first.
"""

EXERCISE = Exercise(
    "poly_schedule(stages, power, warmup, factors)",
    TASK,
    schedule,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="08.4",
    marks=4,
)
