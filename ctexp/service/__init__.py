"""The team's service: scans come by HTTP, answers are those of `ctexp predict`, and a page shows both.

It stands above `experiments`, where an answer gets the form that the command line prints, and beside `searching`, which
it does not know: only the command line starts it. What reads a scan runs in worker processes (`work`), so that a
damaged or hostile file can cost a worker but not the service.
"""
