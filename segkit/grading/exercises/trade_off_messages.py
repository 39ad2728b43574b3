"""What a report is told about a row that does not hold."""

from __future__ import annotations

_TEXT = """
few-networks: Networks in this column: {count}. Compare at least four.
unknown-network: `{name}` is not one of the networks that you can choose from. A name is that of a file in
    course/weights, without its ending: {known}, …
no-number: Row `{name}` holds {value}. Put a number there.
rows-exchanged: Row `{name}`: {value} belongs to `{other}`.{also}
columns-exchanged: Row `{name}`: {value} belongs in the column `{other}`.{also}
rounded: Row `{name}`: {value} is close, but this can be counted. Give the whole number, with all of its digits.{also}
in-millions: Row `{name}`: {value} is in millions. Give the whole number, with all of its digits.{also}
not-measured-so: Row `{name}`: {value} is not what comes out when you measure as the task says. Measure it again.{also}
buffers-counted: Row `{name}`: {value} counts {buffers} buffers as well, the means and variances that BatchNorm keeps.
    Nobody trains those; sum over `parameters()`.{also}
bytes-not-numbers: Row `{name}`: {value} counts bytes, 4 for each parameter. Count the parameters.{also}
operations-doubled: Row `{name}`: {value} counts a multiplication and an addition as two. Here they are one, a
    multiply-add.{also}
batch-counted: Row `{name}`: {value} is for {pictures} pictures. Count one.{also}
another-size: Row `{name}`: {value} is the cost of a picture of {h}×{w}. The scenes have 96×128.{also}
fraction-not-percent: Row `{name}`: {value} is a fraction. Give it in %.{also}
averaged-over-scenes: Row `{name}`: {value} is the mean of twenty mean IoUs, one for each scene. Put all scenes into one
    confusion matrix, and take the mean IoU of that.{also}
accuracy-not-iou: Row `{name}`: {value} is the {which}. Give the IoU.{also}
from-the-file: Row `{name}`: {value} is what the network's file says about it, from {scenes} scenes. Measure on
    the first twenty of the test set.{also}
training-scenes: Row `{name}`: {value} comes from the first twenty scenes of the training set. Take those of the test
    set.{also}
unknown-class: "class" is {word!r} here. Name one of the classes: {known}.
another-class: Row `{name}`: {value} is the IoU of {other}, and your class is {word}.{also}
not-true-or-false: Row `{name}` holds {value}. Put True there if the network is on the front, and False if it is not.
front-inverted: Every row says the opposite of what is true. True stands for a network that no other one beats.
front-by-parameters: This is the front of mean IoU over parameters. Take multiply-adds as the cost.
front-left-out: Row `{name}`: none of your networks beats it in multiply-adds and mean IoU, so it is on the front.
front-beaten: Row `{name}`: `{other}` beats it, with no more multiply-adds and a higher mean IoU. So it is not on the
    front.
no-budget: There is no "budget". Give it as a number of multiply-adds for one picture.
budget-in-millions: Your budget is {value}, and the cheapest of your networks takes {least} multiply-adds. Is it in
    millions? Give the whole number.
unknown-verdict: Row `{name}`: the verdict is {value!r}. Write "chosen", "too dear" or "worse".
not-one-chosen: You have chosen {count} networks. Choose exactly one.
not-too-dear: Row `{name}`: it takes {macs} multiply-adds, which your budget of {budget} allows. It is not too dear.
over-budget: Row `{name}`: it takes {macs} multiply-adds, more than your budget of {budget}, and your verdict is
    {verdict!r}. It is too dear.
budget-decides-nothing: {count} of your {all} networks fit into the budget. Choose a budget that at least two of them
    fit into, and at least one does not.
chosen-by-mean-iou: `{name}` has the highest mean IoU within your budget. But your class is {word}, and there
    `{other}` is better.
not-the-best: `{name}` is your choice for the class {word}, but `{other}` also fits into your budget, and is better for
    that class.
"""


def _read(text: str) -> dict[str, str]:
    lines = text.strip().replace("\n    ", " ").split("\n")
    return dict(line.split(": ", 1) for line in lines)  # type: ignore[misc]


MESSAGES = _read(_TEXT)
