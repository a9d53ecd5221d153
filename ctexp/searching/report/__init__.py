"""What a sweep reports of itself: facts, importance, pictures, and one page that opens offline.

It reads the trials' records and changes nothing; no page fetches anything from anywhere.
"""
