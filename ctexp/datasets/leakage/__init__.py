"""The same scan under two names, found before it can lie on two sides of a split.

Files with the same bytes are told apart from others by hash when they are read. Here is what a hash cannot see: a
volume saved again, in another type, at another size, brighter, noisier, mirrored, cropped, or short of a slice.
"""

from ctexp.datasets.leakage.find import Pair, find_near_duplicates
from ctexp.datasets.leakage.settle import join_copies, join_on_sides, keep_to_sides, part_copies

__all__ = ["Pair", "find_near_duplicates", "join_copies", "join_on_sides", "keep_to_sides", "part_copies"]
