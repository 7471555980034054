"""Anymail's Amazon SES backend without boto3's own retries."""

from typing import Any

from anymail.backends import amazon_ses
from botocore.client import Config  # type: ignore[import-untyped]


class AmazonSESBackend(amazon_ses.EmailBackend):  # type: ignore[misc]  # anymail has no types
    """
    Amazon SES v2, each message handed over once.

    boto3 would hand a message over again by itself when no answer came, up to five times; SES has
    no idempotency key, so each could be another mail to the same person.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        once = Config(retries={"total_max_attempts": 1})
        self.client_params["config"] = self.client_params["config"].merge(once)
