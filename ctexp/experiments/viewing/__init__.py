"""Scans looked at before anything is trained on them: findings, sheets, pictures.

Knows no network.
"""
