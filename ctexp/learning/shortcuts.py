"""Does something that is no disease tell the classes apart?"""

import numpy as np
import numpy.typing as npt
from scipy import stats

_DEALS, _SEED = 999, 20211111


def tells_apart(labels: npt.NDArray[np.int64], scores: npt.ArrayLike, questions: int) -> bool:
    """Say whether scores order the classes, either way round, beyond chance.

    The test is Mann and Whitney's, of the AUC being 0.5; unlike a DeLong interval it holds for few scans, too. Where
    several such questions are asked of the same scans each must be clearer, so that all of them together raise a false
    alarm in at most 5 % (Bonferroni).

    Args:
        labels: (n,) 0 normal or 1 abnormal.
        scores: (n,) any scale.
        questions: how many are asked together.
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = labels == 1
    if not truth.any() or truth.all() or not np.isfinite(values).all():
        return False
    return bool(stats.mannwhitneyu(values[truth], values[~truth]).pvalue < 0.05 / questions)


def likeness_scores(labels: npt.NDArray[np.int64], facts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Score each scan by how much more the other abnormal scans' facts are like its own than the other normal ones'.

    The logarithm of the ratio of two kernel densities (Gaussian, bandwidth by Scott's rule 1992), leaving the scan
    itself out of either. Unlike a threshold on one fact it sees every pattern, such as two scanners that only normal
    scans were made on. A density is a mean over the scans that are left, so that leaving one out favours no class.
    The scores were made of the labels: whether their AUC is beyond chance is for `chances` to say.

    Args:
        labels: (n,) 0 normal or 1 abnormal, at least two of each.
        facts: (n, facts), each in units of its spread.
    """
    return _scores(_kernel(facts), labels[:, None])[:, 0]


def chances(labels: npt.NDArray[np.int64], facts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give for each fact, and for their likeness, the probability that facts without meaning do as well or better.

    A fact may tell the classes apart by its order or by its likeness (`likeness_scores` of it alone). A permutation
    test: the labels are dealt anew 999 times (seed fixed). What each does is measured by how far its rank sum lies
    from the mean of the deals, in their standard deviations, and held against the best of all in each deal (Westfall
    and Young 1993): many facts raise no more false alarms than one, and facts that say the same count once. It is exact
    however few scans there are.

    Args:
        labels: as for `likeness_scores`.
        facts: as for `likeness_scores`.

    Returns:
        (facts + 1,) float64, the likeness last.
    """
    rng = np.random.default_rng(_SEED)
    dealt = np.stack([labels, *(rng.permutation(labels) for _ in range(_DEALS))], axis=1)
    abnormal = (dealt == 1).astype(np.float64)
    ordered = stats.rankdata(facts, axis=0).T @ abnormal
    alike = []
    for part in (*facts.T[:, :, None], facts):
        alike.append((stats.rankdata(_scores(_kernel(part), dealt), axis=0) * abnormal).sum(axis=0))
    sums = np.vstack([ordered, *alike])
    sums -= sums.mean(axis=1, keepdims=True)
    far = sums / np.maximum(sums.std(axis=1, keepdims=True), 1e-9)
    count = len(ordered)
    far[:count] = np.abs(far[:count])  # a fact may order the classes either way, a likeness one way only
    best = far.max(axis=0)
    result: npt.NDArray[np.float64] = (best[None] >= far[:, :1] - 1e-9).mean(axis=1)
    return np.append(np.minimum(result[:count], result[count:-1]), result[-1])


def _kernel(facts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    count, size = facts.shape
    width = count ** (-1 / (size + 4))
    squares = sum(np.subtract.outer(column, column) ** 2 for column in facts.T / width)
    kernel: npt.NDArray[np.float64] = np.exp(-0.5 * np.asarray(squares))
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _scores(kernel: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Give (n, deals) scores for (n, deals) labels."""
    truth = (labels == 1).astype(np.float64)
    sides = (truth, 1.0 - truth)
    abnormal, normal = ((kernel @ side) / (side.sum(axis=0) - side) for side in sides)
    tiny = 1e-12  # a scan unlike every other says nothing
    # A hundredth is no difference; left in, what leaving a scan out does to nearly equal facts would order them.
    scores: npt.NDArray[np.float64] = np.round(np.log((abnormal + tiny) / (normal + tiny)), 2)
    return scores
