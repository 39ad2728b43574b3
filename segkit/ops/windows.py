"""How many windows a pooling has, and where they may lie."""

from __future__ import annotations


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
