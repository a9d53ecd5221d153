"""A run trained again: what it was made of, and whether the second comes to the same.

The only room here that uses its neighbours `training` and `comparing`.
"""
