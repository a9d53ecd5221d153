"""What a sweep reports of itself: facts, importance, pictures, and one page that opens offline."""
