"""Occlusion: what a network no longer says when a part of the scan is taken away (Zeiler and Fergus 2014)."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

PARTS = 8
"""Parts along each axis; a patch is one of them: 8x8x4 voxels of a prepared scan of 64x64x32."""
SECONDS = 60.0
"""No round begins that would not end within this time."""
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What was found.

    Attributes:
        evidence: (rows, columns, slices) float32; mean fall of the logit over the patches that cover a voxel, negative
            where the network became surer.
        patch: voxels of a patch along each axis.
        cells: patches side by side along each axis.
        rounds: 8 for a stride of half a patch, 1 for a whole one; fewer than 8 where time was short.
    """

    evidence: Array
    patch: tuple[int, int, int]
    cells: tuple[int, int, int]
    rounds: int


def occlude(
    ask: Callable[[Array], npt.NDArray[np.float64]],
    prepared: Array,
    plain: Array,
    *,
    noticeable: float = 0.0,
    seconds: float = SECONDS,
    progress: Callable[[int, int], None] | None = None,
) -> Occlusion:
    """Replace one patch after another by a plain scan's and see how far the logit falls.

    Each round's patches cover the whole scan once; the rounds' grids are moved against each other by half a patch, so
    that all 8 make a stride of half a patch. Patches in which nothing would change are not asked about: their
    answer is known.

    Args:
        ask: gives (n,) logits of inputs (n, rows, columns, slices, 1).
        prepared: (rows, columns, slices) float32 in 0..1, as `prepare` gives it.
        plain: the same scan without what is to be looked for; a hard edge round a patch would be seen as a finding.
        noticeable: patches in which the two differ by no more are taken to change nothing.
        seconds: the first round is always finished; a further one begins only where it would end in this time.
        progress: told (patches asked, patches in all) after each batch.
    """
    edges = [-(-n // PARTS) for n in prepared.shape]
    patch = (edges[0], edges[1], edges[2])
    grids = [_patches(prepared.shape, patch, halves) for halves in itertools.product((0, 1), repeat=3)]
    rounds = [[one for one in grid if np.abs(prepared[one] - plain[one]).max() > noticeable] for grid in grids]
    whole = float(ask(prepared[None, ..., None])[0])
    falls = np.zeros(prepared.shape, dtype=np.float64)
    total, asked, done = sum(map(len, rounds)), 0, 0
    began = time.monotonic()
    for todo in rounds:
        spent = time.monotonic() - began
        if asked and spent + len(todo) * spent / asked > seconds:
            break
        for first in range(0, len(todo), _BATCH):
            batch = todo[first : first + _BATCH]
            inputs = np.repeat(prepared[None], len(batch), axis=0)
            for one, place in zip(inputs, batch, strict=True):
                one[place] = plain[place]
            for logit, place in zip(ask(inputs[..., None]), batch, strict=True):
                falls[place] += whole - logit
            asked += len(batch)
            if progress:
                progress(asked, total)
        done += 1
    rows, columns, slices = (-(-n // edge) for n, edge in zip(prepared.shape, patch, strict=True))
    return Occlusion((falls / done).astype(np.float32), patch, (rows, columns, slices), done)


def _patches(shape: tuple[int, ...], patch: tuple[int, int, int], halves: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Give the patches of one grid, which cover all voxels once; cut at the edges.

    Args:
        shape: of the prepared scan.
        patch: voxels along each axis.
        halves: half patches that the grid is moved by along each axis, 0 or 1.
    """
    axes = []
    for count, edge, half in zip(shape, patch, halves, strict=True):
        bounds = sorted({0, *range(half * (edge // 2), count, edge), count})
        axes.append([slice(low, high) for low, high in itertools.pairwise(bounds)])
    return list(itertools.product(*axes))
