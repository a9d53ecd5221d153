"""Scores of two networks on the same scans."""

import math

import numpy as np
from hypothesis import strategies as st

from ctexp.learning.paired import PairedTest

scores = st.integers(-4, 4)
samples = st.tuples(st.integers(2, 20), st.integers(2, 20)).flatmap(
    lambda sizes: st.tuples(
        st.just(np.array([1] * sizes[0] + [0] * sizes[1])),
        st.lists(scores, min_size=sum(sizes), max_size=sum(sizes)).map(np.array),
        st.lists(scores, min_size=sum(sizes), max_size=sum(sizes)).map(np.array),
    )
)


def draw(
    labels: np.ndarray, rng: np.random.Generator, *, distances: tuple[float, float] = (1.5, 1.5), shared: float = 0.7
) -> np.ndarray:
    """(2, n) binormal scores of two networks."""
    n = len(labels)
    noise = math.sqrt(shared) * rng.normal(size=n) + math.sqrt(1 - shared) * rng.normal(size=(2, n))
    return noise + np.outer(distances, labels)


def undefined(test: PairedTest, n: int) -> bool:
    """Whether the test says nothing, about n scans."""
    numbers = (test.difference, test.error, test.low, test.high, test.p, test.margin_error)
    return all(map(math.isnan, numbers)) and test.n == n
