"""How a client sends a scan to the service."""

import httpx


def upload(client: httpx.Client, content: bytes, name: str = "scan.nii.gz", **query: object) -> httpx.Response:
    """Send a file as a form does."""
    return client.post("/predict", files={"scan": (name, content)}, params=query)
