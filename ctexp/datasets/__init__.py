"""Many scans: found, read once, prepared into a cache, split, augmented; and drawn or fetched where there are none.

Nothing here knows a network or a store. Scans are told apart by the hash of their bytes, never by path or order, and
all scans of one patient stay together.
"""
