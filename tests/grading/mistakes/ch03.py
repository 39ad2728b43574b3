"""Chapter 03, right and wrong, mostly in loops and numpy."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from tests.grading.mistakes.families import only_first

# stitch_tiles ------------------------------------------------------------------------------------------------------


def tiles_loops(tiles, corners, window, size, *, wrong="", epsilon=1e-2):
    """Place by place."""
    dtype = torch.float32 if wrong == "float32" else tiles.dtype
    if wrong == "in place":
        tiles.mul_(2)
    values = tiles / 2 if wrong == "in place" else tiles
    window = torch.ones_like(window) if wrong == "no window" else window
    k, (height, width) = values.shape[1], size[::-1] if wrong == "size" else size
    total, weight, count = (
        torch.zeros(k, height, width, dtype=dtype),
        torch.zeros(height, width),
        torch.zeros(height, width),
    )
    total, weight = total.double(), weight.double()
    for tile, (row, column) in zip(values, corners, strict=True):
        row, column = {"corner": (column, row), "moved": (max(row, 0), max(column, 0))}.get(wrong, (row, column))
        for i in range(window.shape[0]):
            for j in range(window.shape[1]):
                y, x = row + i, column + j
                low = -height if wrong == "wraps" else 0
                if not (low <= y < height and (-width if wrong == "wraps" else 0) <= x < width):
                    continue
                share = float(window[i, j])
                if wrong.startswith("overwrite"):
                    total[:, y, x], weight[y, x] = tile[:, i, j] * share, share
                else:
                    total[:, y, x] += tile[:, i, j].double() * (1 if wrong == "window not in tiles" else share)
                    weight[y, x] += share
                count[y, x] += 1
    one = torch.tensor(1.0)
    below = {
        "count": count.clamp(min=1),
        "count, nan": count,
        "all": torch.tensor(len(tiles)),
        "sum": one,
        "overwrite, no division": one,
        "clamp": weight.clamp(min=1),
        "epsilon": weight + epsilon,
    }.get(wrong, weight)
    out = total / below if wrong in ("nan", "count, nan") else torch.where(weight > 0, total / below, 0.0)
    return (out[:1] if wrong == "one class" else out).to(dtype)


def tiles_padded(tiles, corners, window, size):
    """A canvas with a wide frame, cut at the end."""
    (_, k, h, w), (height, width) = tiles.shape, size
    frame = 20
    canvas = tiles.new_zeros(k + 1, height + 2 * frame, width + 2 * frame)
    for tile, (row, column) in zip(tiles, corners, strict=True):
        both = torch.cat([tile * window, window[None]])
        canvas[:, frame + row : frame + row + h, frame + column : frame + column + w] += both
    inside = canvas[:, frame : frame + height, frame : frame + width]
    return (inside[:-1] / inside[-1]).nan_to_num(0)


def tiles_numpy(tiles, corners, window, size):
    """All numbers with their addresses, added at once."""
    t, k, h, w = tiles.shape
    at = np.array(corners).reshape(t, 2)
    y = (at[:, 0, None, None] + np.arange(h)[:, None] + np.zeros((1, w), dtype=int)).ravel()
    x = (at[:, 1, None, None] + np.zeros((h, 1), dtype=int) + np.arange(w)).ravel()
    inside = (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
    out, weight = np.zeros((k, *size), dtype=tiles.numpy().dtype), np.zeros(size)
    weights = np.broadcast_to(window.numpy(), (t, h, w)).ravel()
    np.add.at(weight, (y[inside], x[inside]), weights[inside])
    for c in range(k):
        np.add.at(out[c], (y[inside], x[inside]), (tiles[:, c].numpy().ravel() * weights)[inside])
    return np.divide(out, weight, out=np.zeros_like(out), where=weight > 0)


def tiles_whole_only(tiles, corners, window, size):
    """Tiles that stick out are left out."""
    h, w = window.shape
    kept = [i for i, (r, c) in enumerate(corners) if 0 <= r <= size[0] - h and 0 <= c <= size[1] - w]
    return tiles_loops(tiles[kept], [corners[i] for i in kept], window, size)


# coverage_of_stack -------------------------------------------------------------------------------------------------


def cover_loop(n, layers, *, wrong=""):
    counts = [1] * n
    layers = {"order": layers[::-1], "first": layers[:1]}.get(wrong, layers)
    for number, (k, s, p) in enumerate(layers):
        s, p = (p, s) if wrong == "stride, padding" else (s, p)
        k, s = (s, k) if wrong == "kernel, stride" else (k, s)
        s = 1 if wrong == "no stride" else s
        if wrong == "kernel of 1" and k == 1:
            continue
        if number and wrong in ("last", "capped inside"):
            counts = [1 if wrong == "last" else min(v, 1) for v in counts]
        m = len(counts)
        end = (m * s + k - 1 if wrong == "gap" else (m - 1) * s + k) - 2 * (
            0 if wrong in ("uncut", "at the end") else p
        )
        end += p if wrong == "left, once" else 0
        p = {"uncut": 0, "at the end": 0, "left": 2 * p, "right": 0}.get(wrong, p)
        ways = [[count for i, count in enumerate(counts) if 0 <= at + p - s * i < k] for at in range(end)]
        counts = [(w[-1] if w else 0) if wrong == "overwrite" else sum(w) for w in ways]
    if wrong == "at the end":
        cut = sum(p for *_, p in layers)
        counts = counts[cut : len(counts) - cut]
    if wrong in ("of the largest", "of all"):
        return [v / (max(counts) if wrong == "of the largest" else sum(counts)) for v in counts]
    return [min(v, 1) for v in counts] if wrong == "capped" else counts


def cover_torch(n, layers):
    y = torch.ones(1, 1, n)
    for k, s, p in layers:
        y = torch.nn.functional.conv_transpose1d(y, torch.ones(1, 1, k), stride=s, padding=p)
    return y.flatten().long()


def cover_padded(n, layers):
    """Padding as in an ordinary convolution: zeros at each end."""
    counts = [1] * n
    for k, s, p in layers:
        spread = [0] * ((len(counts) - 1) * s + 1)
        spread[::s] = counts
        counts = [0] * p + [int(v) for v in np.convolve(spread, np.ones(k))] + [0] * p
    return counts


def cover_numpy(n, layers):
    """Spread, then convolve with ones."""
    counts = np.ones(n, dtype=int)
    for k, s, p in layers:
        spread = np.zeros((len(counts) - 1) * s + 1, dtype=int)
        spread[::s] = counts
        counts = np.convolve(spread, np.ones(k, dtype=int))
        counts = counts[p : len(counts) - p]
    return counts


# sample_bilinear ---------------------------------------------------------------------------------------------------


def sample_loops(x, at, *, wrong=""):
    n, c, h, w = x.shape
    out = torch.zeros(n, c, *at.shape[1:3], dtype=torch.float32 if wrong == "float32" else x.dtype)
    for a in range(1 if wrong == "one picture" else n):
        for i in range(at.shape[1]):
            for j in range(at.shape[2]):
                y, z = at[0 if wrong == "first places" else a, i, j].tolist()
                y, z = {
                    "exchanged": (z, y),
                    "half": (y - 0.5, z - 0.5),
                    "half more": (y + 0.5, z + 0.5),
                    "fraction": (y * (h - 1), z * (w - 1)),
                    "from -1 to 1": ((y + 1) * (h - 1) / 2, (z + 1) * (w - 1) / 2),
                }.get(wrong, (y, z))
                out[a, :, i, j] = _looked_up(x[a], y, z, wrong)
    if wrong == "one channel":
        out[:, 1:] = 0
    return out.transpose(2, 3) if wrong == "transposed" else out


def _looked_up(picture, y, z, wrong):
    h, w = picture.shape[1:]
    if wrong == "zero" and not (0 <= y <= h - 1 and 0 <= z <= w - 1):
        return torch.zeros(len(picture), dtype=picture.dtype)
    short = 2 if wrong == "last lost" else 1
    if wrong not in ("extended", "mixed"):
        y, z = min(max(y, 0), max(h - short, 0)), min(max(z, 0), max(w - short, 0))
    top, left = (min(max(int(np.floor(v)), 0), size - 1) for v, size in ((y, h), (z, w)))
    below, right = min(top + 1, h - 1), min(left + 1, w - 1)
    dy, dz = (y % 1, z % 1) if wrong == "mixed" else (y - top, z - left)
    dy, dz = {
        "weights": (1 - dy, 1 - dz),
        "nearest": (round(dy), round(dz)),
        "nearest, half up": (int(dy + 0.5), int(dz + 0.5)),
        "corner": (0, 0),
        "one axis": (dy, 0),
        "one axis, columns": (0, dz),
        "one axis, nearest column": (dy, round(dz)),
        "one axis, nearest row": (round(dy), dz),
    }.get(wrong, (dy, dz))
    if wrong == "added":
        corner = picture[:, top, left]
        return ((2 - dy - dz) * corner + dy * picture[:, below, left] + dz * picture[:, top, right]) / 2
    upper = (1 - dz) * picture[:, top, left] + dz * picture[:, top, right]
    return (1 - dy) * upper + dy * ((1 - dz) * picture[:, below, left] + dz * picture[:, below, right])


def sample_grid(x, at):
    """torch's: places from −1 to 1, the column first; an axis of one pixel has only one place."""
    ends = torch.tensor([x.shape[3] - 1, x.shape[2] - 1]).clamp(min=1).to(x.dtype)
    grid = 2 * at.flip(-1) / ends - 1
    grid = torch.where(torch.tensor([x.shape[3], x.shape[2]]) > 1, grid, -1.0)
    wide = torch.nn.functional.pad(x, (0, int(x.shape[3] == 1), 0, int(x.shape[2] == 1)), mode="replicate")
    return torch.nn.functional.grid_sample(wide, grid, align_corners=True, padding_mode="border")


def sample_zero_padded(x, at):
    """torch's, with zeros around a picture that has a border of zeros already."""
    return sample_grid_of(torch.nn.functional.pad(x, (1, 1, 1, 1)), at + 1)


def sample_grid_of(x, at):
    grid = 2 * at.flip(-1) / torch.tensor([x.shape[3] - 1, x.shape[2] - 1]).to(x.dtype) - 1
    return torch.nn.functional.grid_sample(x, grid, align_corners=True, padding_mode="zeros")


def sample_hats(x, at):
    """Each pixel by max(0, 1 − distance)."""
    h, w = x.shape[2:]
    rows = at[..., 0].clamp(0, h - 1)[..., None] - torch.arange(h)
    columns = at[..., 1].clamp(0, w - 1)[..., None] - torch.arange(w)
    return torch.einsum("nijh,nchw,nijw->ncij", *(_hat(rows).to(x.dtype), x, _hat(columns).to(x.dtype)))


def _hat(distance):
    return (1 - distance.abs()).clamp(min=0)


def sample_in_place(x, at):
    result = sample_hats(x, at)
    at.clamp_(min=0.125)
    return result


# pixel_unshuffle ---------------------------------------------------------------------------------------------------


def unshuffle_loops(x, rows, columns, *, wrong=""):
    rows, columns = {
        "factors": (columns, rows),
        "square": (rows, rows),
        "square, columns": (columns, columns),
    }.get(wrong, (rows, columns))
    n, c, height, width = x.shape
    h, w = height // rows, width // columns
    out = torch.zeros(n, c * rows * columns, h, w, dtype=torch.float32 if wrong == "float32" else x.dtype)
    for k in range(c):
        for a in range(rows):
            for b in range(columns):
                place = {
                    "offsets": (k * columns + b) * rows + a,
                    "channels": (a * columns + b) * c + k,
                    "channel between": (a * c + k) * columns + b,
                    "channel last, offsets": (b * rows + a) * c + k,
                }.get(wrong, (k * rows + a) * columns + b)
                part = x[:, k, a::rows, b::columns]
                if wrong == "tiles":
                    part = x[:, k, a * h : (a + 1) * h, b * w : (b + 1) * w]
                elif wrong == "half tiles":
                    part = x[:, k, a * h : (a + 1) * h, b::columns]
                elif wrong == "half tiles, columns":
                    part = x[:, k, a::rows, b * w : (b + 1) * w]
                elif wrong.startswith("reversed"):
                    y = a if wrong == "reversed columns" else rows - 1 - a
                    z = b if wrong == "reversed rows" else columns - 1 - b
                    part = x[:, k, y::rows, z::columns]
                elif wrong == "mean":
                    part = x[:, k].reshape(n, h, rows, w, columns).mean((2, 4))
                out[:, place] = part
    if wrong == "transposed":
        return out.transpose(2, 3)
    return out[:, :: rows * columns] if wrong == "first" else out


def unshuffle_numpy(x, rows, columns):
    n, c, height, width = x.shape
    split = x.numpy().reshape(n, c, height // rows, rows, width // columns, columns)
    return split.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, height // rows, width // columns)


def unshuffle_unfold(x, rows, columns):
    columns_of = torch.nn.functional.unfold(x, (rows, columns), stride=(rows, columns))
    return columns_of.reshape(len(x), -1, x.shape[2] // rows, x.shape[3] // columns)


def unshuffle_stacked(x, rows, columns):
    """The channels in a list, stacked in front of the batch."""
    offsets = [(k, a, b) for k in range(x.shape[1]) for a in range(rows) for b in range(columns)]
    parts = torch.stack([x[:, k, a::rows, b::columns] for k, a, b in offsets])
    return parts.reshape(len(x), len(parts), *parts.shape[2:])


def unshuffle_view(x, rows, columns):
    return x.reshape(len(x), -1, x.shape[2] // rows, x.shape[3] // columns)


# shift_and_stitch --------------------------------------------------------------------------------------------------


def stitch_loops(network, x, factor, *, wrong=""):
    f = 2 if wrong == "two" else factor
    n, _, height, width = x.shape
    parts = {}
    for dy in range(f):
        for dx in range(f):
            moved = x[:, :, dy:, dx:]
            if wrong == "down":
                moved = torch.zeros_like(x)
                moved[:, :, dy:, dx:] = x[:, :, : height - dy, : width - dx]
            elif wrong == "roll":
                moved = torch.roll(x, shifts=(-dy, -dx), dims=(2, 3))
            elif wrong == "roll, down":
                moved = torch.roll(x, shifts=(dy, dx), dims=(2, 3))
            elif wrong == "rows":
                moved = x[:, :, dy:]
            elif wrong == "columns":
                moved = x[:, :, :, dx:]
            elif wrong == "steps":
                moved = x[:, :, dy * f :, dx * f :]
            elif wrong == "last left out":
                moved = x[:, :, : height - dy, : width - dx]
            elif wrong in ("edge", "mean"):
                filled = np.pad(x, ((0, 0), (0, 0), (0, dy), (0, dx)), mode="edge" if wrong == "edge" else "constant")
                moved = torch.from_numpy(filled[:, :, dy:, dx:])
            elif wrong == "same":
                moved = x
            elif wrong == "zeros":
                moved = torch.zeros_like(x)
                moved[:, :, : height - dy, : width - dx] = x[:, :, dy:, dx:]
            elif wrong == "one too far":
                moved = x[:, :, dy + 1 :, dx + 1 :]
            parts[dy, dx] = network(moved)
    k, h, w = parts[0, 0].shape[1:]
    if wrong == "mean":
        return sum(parts.values()) / f**2
    if wrong in ("down", "roll", "roll, down", "same", "zeros", "edge", "full", "exchanged, full"):
        size = (h * f, w * f)
    else:
        size = (sum(parts[a, 0].shape[2] for a in range(f)), sum(parts[0, a].shape[3] for a in range(f)))
    if wrong in ("one too far", "steps"):
        size = (
            sum(network(x[:, :, a:]).shape[2] for a in range(f)),
            sum(network(x[:, :, :, a:]).shape[3] for a in range(f)),
        )
    out = torch.zeros(n, k, *size, dtype=parts[0, 0].dtype)
    for (dy, dx), part in parts.items():
        if wrong == "diagonal" and dx != dy:
            continue
        exchanged, backwards = (dx, dy), (f - 1 - dy, f - 1 - dx)
        a, b = {"exchanged": exchanged, "exchanged, full": exchanged, "reversed": backwards}.get(wrong, (dy, dx))
        if wrong in ("one too far", "steps", "full", "exchanged, full"):
            room = out[:, :, a::f, b::f]
            room[:, :, : part.shape[2], : part.shape[3]] = part[:, :, : room.shape[2], : room.shape[3]]
        else:
            out[:, :, a::f, b::f] = part
    if wrong == "tiles":
        out = torch.cat([torch.cat([parts[a, b] for b in range(f)], 3) for a in range(f)], 2)
    if wrong == "in place":
        x.zero_()
    return out


def stitch_filled_and_cut(network, x, factor):
    """All shifts in one batch, filled up with zeros, a pixel shuffle by hand; what looks beyond the picture cut off."""
    n, _, h, w = x.shape
    padded = torch.nn.functional.pad(x, (0, factor - 1, 0, factor - 1))
    shifts = torch.stack([padded[:, :, a : a + h, b : b + w] for a in range(factor) for b in range(factor)], 1)
    y = network(shifts.flatten(0, 1))
    y = y.reshape(n, factor, factor, *y.shape[1:])
    y = torch.einsum("nabkij->nkiajb", y).reshape(n, y.shape[3], y.shape[4] * factor, y.shape[5] * factor)
    rows, columns = (sum(network(x[:, :, a:, a:]).shape[axis] for a in range(factor)) for axis in (2, 3))
    return y[:, :, :rows, :columns]


def stitch_numpy(network, x, factor):
    """A dictionary of places first, an array afterwards; the network still wants tensors."""
    places = {}
    for a in range(factor):
        for b in range(factor):
            part = np.asarray(network(x[:, :, a:, b:]))
            for i in range(part.shape[2]):
                for j in range(part.shape[3]):
                    places[i * factor + a, j * factor + b] = part[:, :, i, j]
    rows, columns = 1 + max(i for i, _ in places), 1 + max(j for _, j in places)
    return np.array([[places[i, j] for j in range(columns)] for i in range(rows)]).transpose(2, 3, 0, 1)


def stitch_upsampled(network, x, factor, *, corners=False):
    return torch.nn.functional.interpolate(network(x), scale_factor=factor, mode="bilinear", align_corners=corners)


def stitch_filled(network, x, factor, *, place):
    """Every shift filled up with zeros; the scores of shift (dy, dx) go to the offset place(dy, dx)."""
    height, width = x.shape[2:]
    wide = torch.nn.functional.pad(x, (0, factor, 0, factor))
    rows = []
    where = {place(dy, dx): (dy, dx) for dy in range(factor) for dx in range(factor)}
    for a in range(factor):
        shifts = [where[a, b] for b in range(factor)]
        parts = [network(wide[:, :, dy : dy + height, dx : dx + width]) for dy, dx in shifts]
        rows.append(torch.stack(parts, -1).flatten(3))  # N, K, h, w·factor
    return torch.stack(rows, 3).flatten(2, 3)


RIGHT = {
    "stitch_tiles": {"loops": tiles_loops, "frame": tiles_padded, "numpy": tiles_numpy},
    "coverage_of_stack": {"loop": cover_loop, "torch": cover_torch, "numpy": cover_numpy},
    "sample_bilinear": {"loops": sample_loops, "grid_sample": sample_grid, "hats": sample_hats},
    "pixel_unshuffle": {"loops": unshuffle_loops, "numpy": unshuffle_numpy, "unfold": unshuffle_unfold},
    "shift_and_stitch": {
        "loops": stitch_loops,
        "filled and cut": stitch_filled_and_cut,
        "numpy": stitch_numpy,
    },
}

WRONG = {
    "stitch_tiles": {
        "not-divided": partial(tiles_loops, wrong="sum"),
        "overwritten": partial(tiles_loops, wrong="overwrite"),
        "overwritten undivided": partial(tiles_loops, wrong="overwrite, no division"),
        "divided-by-count": partial(tiles_loops, wrong="count"),
        "divided-by-count gaps too": partial(tiles_loops, wrong="count, nan"),
        "window-ignored": partial(tiles_loops, wrong="no window"),
        "window-not-in-the-tiles": partial(tiles_loops, wrong="window not in tiles"),
        "averaged-over-all-tiles": partial(tiles_loops, wrong="all"),
        "gaps-not-zero": partial(tiles_loops, wrong="nan"),
        "small-weights-lost": partial(tiles_loops, wrong="clamp"),
        **{
            f"epsilon-too-large {epsilon}": partial(tiles_loops, wrong="epsilon", epsilon=epsilon)
            for epsilon in (1.0, 1e-2, 1e-3)
        },
        "rows-columns-exchanged": partial(tiles_loops, wrong="corner"),
        "size-exchanged": partial(tiles_loops, wrong="size"),
        "start-wraps-around": partial(tiles_loops, wrong="wraps"),
        "start-moved-inside": partial(tiles_loops, wrong="moved"),
        "sticking-out-skipped": tiles_whole_only,
        "first-class-only": partial(tiles_loops, wrong="one class"),
        "first-class-only a map": lambda *args: tiles_padded(*args)[0],
        **only_first("first-class-only", tiles_padded),
        "window-transposed": lambda tiles, corners, window, size: tiles_padded(tiles, corners, window.T, size),
        "precision-lost": partial(tiles_loops, wrong="float32"),
        "input-changed": partial(tiles_loops, wrong="in place"),
    },
    "coverage_of_stack": {
        "last-layer-only": partial(cover_loop, wrong="last"),
        "first-layer-only": partial(cover_loop, wrong="first"),
        "order-reversed": partial(cover_loop, wrong="order"),
        "capped-at-one": partial(cover_loop, wrong="capped"),
        "capped-between-layers": partial(cover_loop, wrong="capped inside"),
        "overwritten": partial(cover_loop, wrong="overwrite"),
        "padding-ignored": partial(cover_loop, wrong="uncut"),
        "padding-one-sided": partial(cover_loop, wrong="left"),
        "padding-one-sided at the other end": partial(cover_loop, wrong="right"),
        "padding-one-sided once": partial(cover_loop, wrong="left, once"),
        "averaged of the largest": partial(cover_loop, wrong="of the largest"),
        "averaged of all": partial(cover_loop, wrong="of all"),
        "padding-cut-at-the-end": partial(cover_loop, wrong="at the end"),
        "padding-added": cover_padded,
        "stride-ignored": partial(cover_loop, wrong="no stride"),
        "stride-padding-exchanged": partial(cover_loop, wrong="stride, padding"),
        "kernel-stride-exchanged": partial(cover_loop, wrong="kernel, stride"),
        "kernel-of-one-skipped": partial(cover_loop, wrong="kernel of 1"),
        "gap-at-the-end": partial(cover_loop, wrong="gap"),
    },
    "sample_bilinear": {
        "rows-columns-exchanged": partial(sample_loops, wrong="exchanged"),
        "half-pixel": partial(sample_loops, wrong="half"),
        "half-pixel more": partial(sample_loops, wrong="half more"),
        "outside-zero": partial(sample_loops, wrong="zero"),
        "outside-zero mixed in": sample_zero_padded,
        "outside-extended": partial(sample_loops, wrong="extended"),
        "outside-mixed": partial(sample_loops, wrong="mixed"),
        "last-pixel-lost": partial(sample_loops, wrong="last lost"),
        "weights-exchanged": partial(sample_loops, wrong="weights"),
        "nearest": partial(sample_loops, wrong="nearest"),
        "nearest half up": partial(sample_loops, wrong="nearest, half up"),
        "upper-left-only": partial(sample_loops, wrong="corner"),
        "one-axis-only": partial(sample_loops, wrong="one axis"),
        "one-axis-only columns": partial(sample_loops, wrong="one axis, columns"),
        "one-axis-only nearest row": partial(sample_loops, wrong="one axis, nearest row"),
        "one-axis-only nearest column": partial(sample_loops, wrong="one axis, nearest column"),
        "shares-added": partial(sample_loops, wrong="added"),
        "fractions-of-the-side": partial(sample_loops, wrong="fraction"),
        "fractions-of-the-side from -1": partial(sample_loops, wrong="from -1 to 1"),
        "first-places-for-all": partial(sample_loops, wrong="first places"),
        "first-picture-only": partial(sample_loops, wrong="one picture"),
        "first-channel-only": partial(sample_loops, wrong="one channel"),
        **only_first("first-picture-only", sample_hats),
        **only_first("first-channel-only", sample_hats, axis=1),
        "result-transposed": partial(sample_loops, wrong="transposed"),
        "precision-lost": partial(sample_loops, wrong="float32"),
        "input-changed": sample_in_place,
    },
    "pixel_unshuffle": {
        "offsets-exchanged": partial(unshuffle_loops, wrong="offsets"),
        "factors-exchanged": partial(unshuffle_loops, wrong="factors"),
        "channel-order": partial(unshuffle_loops, wrong="channels"),
        "channel-order between": partial(unshuffle_loops, wrong="channel between"),
        "channel-order offsets": partial(unshuffle_loops, wrong="channel last, offsets"),
        "only-reshaped": unshuffle_view,
        "tiles": partial(unshuffle_loops, wrong="tiles"),
        "half-tiles": partial(unshuffle_loops, wrong="half tiles"),
        "half-tiles columns": partial(unshuffle_loops, wrong="half tiles, columns"),
        "square-factors": partial(unshuffle_loops, wrong="square"),
        "square-factors columns": partial(unshuffle_loops, wrong="square, columns"),
        "offset-reversed": partial(unshuffle_loops, wrong="reversed"),
        **{
            f"offset-reversed {axis}": partial(unshuffle_loops, wrong=f"reversed {axis}")
            for axis in ("rows", "columns")
        },
        "averaged": partial(unshuffle_loops, wrong="mean"),
        **only_first("first-picture-only", unshuffle_unfold),
        "batch-into-channels": unshuffle_stacked,
        "first-offset-only": partial(unshuffle_loops, wrong="first"),
        "rows-columns-exchanged": partial(unshuffle_loops, wrong="transposed"),
        "precision-lost": partial(unshuffle_loops, wrong="float32"),
    },
    "shift_and_stitch": {
        "shifted-wrong-way": partial(stitch_loops, wrong="down"),
        "wraps-around": partial(stitch_loops, wrong="roll"),
        "wraps-around downwards": partial(stitch_loops, wrong="roll, down"),
        "offsets-exchanged": partial(stitch_loops, wrong="exchanged"),
        "offsets-exchanged full": partial(stitch_loops, wrong="exchanged, full"),
        "offsets-exchanged filled up": partial(stitch_filled, place=lambda dy, dx: (dx, dy)),
        "offsets-reversed": partial(stitch_loops, wrong="reversed"),
        "offsets-reversed filled up": lambda network, x, factor: stitch_filled(
            network, x, factor, place=lambda dy, dx: (factor - 1 - dy, factor - 1 - dx)
        ),
        "blocks-side-by-side": partial(stitch_loops, wrong="tiles"),
        "only-diagonal-shifts": partial(stitch_loops, wrong="diagonal"),
        "one-axis-only": partial(stitch_loops, wrong="rows"),
        "one-axis-only columns": partial(stitch_loops, wrong="columns"),
        "not-shifted": partial(stitch_loops, wrong="same"),
        "not-shifted last left out": partial(stitch_loops, wrong="last left out"),
        "interpolated": stitch_upsampled,
        "interpolated aligned": partial(stitch_upsampled, corners=True),
        "filled-up": partial(stitch_loops, wrong="zeros"),
        "filled-up with the edge": partial(stitch_loops, wrong="edge"),
        "size-not-dense": partial(stitch_loops, wrong="full"),
        "factor-fixed": partial(stitch_loops, wrong="two"),
        "shift-too-large": partial(stitch_loops, wrong="one too far"),
        "shift-too-large by the factor": partial(stitch_loops, wrong="steps"),
        "averaged": partial(stitch_loops, wrong="mean"),
        **only_first("first-picture-only", stitch_loops),
        **only_first("first-channel-only", stitch_loops, axis=1),
        "coarse-returned": lambda network, x, factor: network(x),
        "input-changed": partial(stitch_loops, wrong="in place"),
    },
}
