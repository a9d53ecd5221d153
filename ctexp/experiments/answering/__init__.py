"""Scans to answers of a registered version, with their explanations beside them.

Loads neither TensorFlow nor MLflow where the version is on this disk.
"""
