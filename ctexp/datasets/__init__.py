"""Many scans: found, read once, prepared into a cache, split, augmented.

Nothing here knows a network or a store. Scans are told apart by the hash of their bytes, never by path or order.
"""
