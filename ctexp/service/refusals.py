"""What is sent back instead of an answer: a status, one sentence, and what it counts as."""

from typing import Any, Literal

Outcome = Literal[
    "answered", "refused", "unreadable", "too large", "wrong type", "malformed", "unauthorised", "foreign",
    "not found", "busy", "slow body", "slow answer", "gone", "failed",
]  # fmt: skip
"""Every way that a request ends, as `/metrics` counts it."""


class RefusalError(Exception):
    """A request is not answered.

    Args:
        status: of HTTP.
        outcome: what it counts as.
        text: the sentence, `place: rule, value, remedy`.
        retry_after: seconds after which another try may do better; None where it would not.
        more: further members of the JSON object, such as `quality`.
    """

    def __init__(
        self,
        status: int,
        outcome: Outcome,
        text: str,
        *,
        retry_after: int | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.outcome, self.text = status, outcome, text
        self.retry_after, self.more = retry_after, more or {}
