"""Runs side by side: listed, shown, compared on the scans that all of them answered.

Reads stores and changes nothing.
"""
