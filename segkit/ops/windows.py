"""How many windows a pooling has, and where they lie: windows of one size, and bins that share an axis out."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.checks import whole

Bounds = list[tuple[int, int]]  # (start, end) of each window, the end not included


def pooled_size(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool, op: str) -> int:
    """The number of windows on an axis of n pixels.

    Rounded up in ceil_mode; but a window that would begin in the padding at the end has nothing to pool and is dropped.

    Raises:
        ValueError: padding of more than half a window (a window could lie in the padding alone), or no window at all.
    """
    reach = dilation * (kernel - 1) + 1
    if padding > kernel // 2:
        raise ValueError(
            f"{op} got padding={padding} for a kernel of {kernel}; padding is at most half of it, here {kernel // 2}"
        )
    room = n + 2 * padding - reach
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= n + padding:
        count -= 1
    if count < 1:
        raise ValueError(
            f"{op} got a window that spans {reach} pixels on an axis of {n} with padding {padding}; "
            "give a smaller kernel, or a larger picture"
        )
    return count


def bin_bounds(n: int, bins: int) -> Bounds:
    """Share an axis of n cells out to bins: bin u goes from ⌊u·n/bins⌋ to ⌈(u + 1)·n/bins⌉.

    The bins cover every cell, and none is empty. Neighbours share a cell where a boundary falls inside one; with more
    bins than cells they repeat cells. This is the appendix of He et al., and torch's adaptive pooling.

    Source:
        He et al., ECCV 2014, arXiv 1406.4729v4, appendix A.
    """
    return [(u * n // bins, ((u + 1) * n + bins - 1) // bins) for u in range(bins)]


def paper_windows(a: int, n: int) -> Bounds:
    """The windows of He et al.'s section 2.3 on an axis of a cells: size ⌈a/n⌉, stride ⌊a/n⌋, meant to make n of them.

    With a = q·n + r they are `bin_bounds(a, n)` where r is 0 or 1. From r = 2 to q there are n of them, but they stop
    r − 1 cells before the end; and where r is more than q there are too many: nine instead of six at a = 10, n = 6,
    which is the paper's own network on its own pictures of 180 pixels.

    Args:
        a: cells of the axis.
        n: bins asked for, at most a (the stride would be 0).

    Raises:
        TypeError: a or n is not a whole number.
        ValueError: a or n is out of bounds.

    Source:
        He et al., ECCV 2014, arXiv 1406.4729v4, section 2.3.
    """
    a = whole(a, "a", "paper_windows", 1)
    n = whole(n, "n", "paper_windows", 1, a)
    size, stride = (a + n - 1) // n, a // n
    return [(start, start + size) for start in range(0, a - size + 1, stride)]


def shared_out(sizes: Sequence[int], output_size: int | Sequence[int | None] | None, op: str) -> tuple[Bounds, Bounds]:
    """The bins of an adaptive pooling's rows and columns, for an output size as it came in."""
    wanted = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    if len(wanted) != 2:
        raise ValueError(f"{op} got output_size={output_size!r}; give one number or two, (height, width)")
    counts = [None if count is None else whole(count, "output_size", op, 0) for count in wanted]
    rows, columns = (bin_bounds(n, n if count is None else count) for n, count in zip(sizes, counts, strict=True))
    return rows, columns
