"""Known mistakes, recognised by imitation: which of the catalogue does just what the answer does."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from segkit.grading.exercise import Exercise, Mistake, Variant, Ways
from segkit.grading.outcome import Outcome
from segkit.grading.values import all_same, same

Suspect = tuple[Mistake, Variant]


@dataclass(frozen=True)
class Evidence:
    """What an answer did.

    Args:
        exercise: what was asked for.
        outcomes: what the calls came to, one for each case.
        failed: the cases that are wrong.
    """

    exercise: Exercise
    outcomes: list[Outcome]
    failed: set[int]

    def known(self) -> list[Suspect]:
        """The mistake of the catalogue, or two together, whose imitation does just what the answer does."""
        single = self._suspects()
        for one in single:
            if self._fits((one[1],)):
                return [one]
        if not any(self.outcomes[i].kind == "value" for i in self.failed):
            return []
        for a, b in combinations(single, 2):
            if a[0].code == b[0].code or (a[1].core and b[1].core):
                continue
            either_way = (a[1].before and b[1].before) or (a[1].after and b[1].after)
            for pair in ([a, b], [b, a]) if either_way else ([a, b],):
                both = (pair[0][1], pair[1][1])
                if self._fits(both):
                    seen = {i for i in self.failed if not self._gave(i) or self.exercise.imitate(both, i)}
                    return [one for one in pair if any(self._shows(i, one[1]) for i in seen)] or pair
        return self._two_places(single)

    def nearest(self) -> tuple[Mistake | None, set[int]]:
        """A mistake that imitates at least half of the failing cases and does no harm where the answer is right."""
        best: tuple[Mistake | None, set[int]] = (None, set())
        for mistake, variant in self._suspects():
            hits = self._hits(variant)
            if len(hits) > len(best[1]) and 2 * len(hits) >= len(self.failed) and self._harmless(variant):
                best = mistake, hits
        return best

    def in_part(self) -> tuple[Mistake | None, set[int]]:
        """A mistake that gives just what the answer gives in a quarter of the failing cases, more than any other."""
        hits = [(mistake, self._hits(variant)) for mistake, variant in self._suspects()]
        most = max((len(cases) for _, cases in hits), default=0)
        best = {mistake.code: (mistake, cases) for mistake, cases in hits if len(cases) == most}
        return (
            next(iter(best.values())) if most > 1 and 4 * most >= len(self.failed) and len(best) == 1 else (None, set())
        )

    def telling(self, variant: Variant) -> set[int]:
        """The failing cases in which this mistake does its harm."""
        return {i for i in self.failed if self._shows(i, variant)} or self.failed

    def _suspects(self) -> list[Suspect]:
        return [(mistake, variant) for mistake in self.exercise.mistakes for variant in mistake.variants]

    def _gave(self, index: int) -> bool:
        return self.outcomes[index].kind == "value"

    def _wrong(self, variants: Ways, index: int) -> bool:
        found = self.exercise.imitate(variants, index)
        return found is None or not all_same(found, self.exercise.expected(index))

    def _shows(self, index: int, variant: Variant) -> bool:
        """Whether a part of the result that this mistake spoils is wrong in the answer, too."""
        found = self.exercise.imitate((variant,), index)
        if found is None or not self._gave(index):
            return self._wrong((variant,), index)
        parts = zip(found, self.exercise.expected(index), self.outcomes[index].leaves, strict=True)
        return any(not same(spoilt, want) and not same(have, want) for spoilt, want, have in parts)

    def _hits(self, variant: Variant) -> set[int]:
        """The failing cases whose wrong result this mistake imitates."""

        def hit(index: int) -> bool:
            found = self.exercise.imitate((variant,), index)
            if found is None or not self._gave(index) or not self._wrong((variant,), index):
                return False
            return all_same(self.outcomes[index].leaves, found)

        return set(filter(hit, self.failed))

    def _harmless(self, variant: Variant) -> bool:
        """Whether this mistake does no harm where the answer is right."""
        return not any(self._wrong((variant,), i) for i in range(len(self.outcomes)) if i not in self.failed)

    def _order(self) -> list[int]:
        """Wrong values first, then what passed: they refute a wrong guess soonest."""
        wrong = {i for i in self.failed if self._gave(i)}
        return sorted(range(len(self.outcomes)), key=lambda i: (i not in wrong, i in self.failed, i))

    def _fits(self, variants: Ways) -> bool:
        agreeing, both_fail = 0, 0
        for index in self._order():
            outcome, imitation = self.outcomes[index], self.exercise.imitate(variants, index)
            right = imitation is not None and all_same(imitation, self.exercise.expected(index))
            if index not in self.failed:
                if not right:
                    return False
            elif imitation is None:
                both_fail += outcome.kind == "raised"
            elif outcome.kind == "value":
                if not all_same(outcome.leaves, imitation):
                    return False
                agreeing += 1
            elif right:
                return False  # the answer fails where this mistake would do no harm
        if not any(self._gave(index) for index in self.failed):
            return both_fail == len(self.failed) and any(variant.stops for variant in variants)
        return agreeing > 0 and 2 * (agreeing + both_fail) >= len(self.failed)

    def _two_places(self, single: list[Suspect]) -> list[Suspect]:
        """Two mistakes that show in different cases: each failing case is imitated by one of them."""
        explained = {}
        for one in single:
            hits = self._hits(one[1])
            if hits and self._harmless(one[1]):
                explained[one] = hits
        for a, b in combinations(explained, 2):
            if explained[a] | explained[b] == self.failed and a[0].code != b[0].code:
                return [a, b]
        return []
