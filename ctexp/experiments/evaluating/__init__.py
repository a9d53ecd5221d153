"""What a registered version is worth: on scans whose truth is known, beside the champion, and without the lungs.

Also who becomes champion by it. Nothing here trains a network.
"""
