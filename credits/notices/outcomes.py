"""
What became of a hand-over: read from the exception that a mail backend raised, if it raised one.

The question behind every line is whether the mail service can have taken the mail. Where it
cannot, trying again is safe; where it can, only a person or an idempotency key may say so. Errors
of requests, urllib3 and boto3 are known by the names of their classes: none of them need be
installed.
"""

import smtplib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

LONGEST_REASON = 200


@dataclass(frozen=True)
class Sent:
    """The mail service has it."""

    message_id: str = ""


@dataclass(frozen=True)
class Refused:
    """It will never be taken, and another notice may be."""

    reason: str


@dataclass(frozen=True)
class Again:
    """It was certainly not taken; later it may be."""

    reason: str
    after: timedelta | None = None
    """What the service asked to wait."""


@dataclass(frozen=True)
class Unclear:
    """The answer never came: it may have been taken."""

    reason: str


@dataclass(frozen=True)
class Misconfigured:
    """Nothing can be handed over until somebody mends a setting."""

    reason: str


Outcome = Sent | Refused | Again | Unclear | Misconfigured

# A request that found no connection was never handed over.
_NOT_HANDED_OVER = {
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeout",
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "ProxyError",
    "ProxyConnectionError",
    "SSLCertVerificationError",
}
_NO_USABLE_SETTINGS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "NoRegionError",
    "ProfileNotFound",
    "MissingSchema",
    "InvalidSchema",
    "InvalidURL",
    "InvalidProxyURL",
    "AnymailImproperlyInstalled",
}
_ABOUT_THIS_MAIL = {
    "AnymailRecipientsRefused",
    "AnymailInvalidAddress",
    "AnymailUnsupportedFeature",
    "AnymailSerializationError",
    "ParamValidationError",
}
_OF_A_REQUEST = {"AnymailAPIError", "RequestException", "BotoCoreError", "OSError"}

_ACCOUNT_STATUSES = {401, 402, 403, 404, 405, 407}
_BUSY_STATUSES = {408, 409, 425, 429}
# A gateway's word that it got no answer itself.
_UNANSWERED_STATUSES = {502, 504, 520, 524}

_BUSY_CODES = {"Throttling", "ThrottlingException", "TooManyRequestsException"}
_ACCOUNT_CODES = {
    # Amazon's
    "AccessDeniedException",
    "AccountSuspendedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "LimitExceededException",
    "MailFromDomainNotVerifiedException",
    "SendingPausedException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    # Postmark's: token, sender unknown or unconfirmed, no credits, account pending or closed
    *("10", "400", "401", "405", "412", "413"),
}


def outcome_of(error: Exception, *, now: datetime) -> Outcome:
    """Judge what a mail backend raised when it was given a message."""
    reason = in_one_line(error)
    kinds = _kinds(error)
    if isinstance(error, smtplib.SMTPException):
        return _outcome_of_smtp(error, reason)
    if kinds & _ABOUT_THIS_MAIL:
        return Refused(reason)
    if isinstance(error, ImproperlyConfigured) or kinds & _NO_USABLE_SETTINGS:
        return Misconfigured(reason)
    if status := _status_of(error):
        return _outcome_of_status(error, status, reason, now=now)
    if kinds & _NOT_HANDED_OVER:
        return Again(reason)
    if kinds & _OF_A_REQUEST:
        return Unclear(reason)
    # A header with a newline, an address that cannot be written, a fault in the backend: whatever
    # it was, it would be so again.
    return Refused(reason)


def outcome_of_opening(error: Exception) -> Outcome:
    """Judge what a mail backend raised before it was given anything."""
    reason = in_one_line(error)
    refused = isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500
    if refused or isinstance(error, smtplib.SMTPNotSupportedError):
        return Misconfigured(reason)
    if isinstance(error, OSError) and not _kinds(error) & _NO_USABLE_SETTINGS:
        return Again(reason)
    return Misconfigured(reason)


def in_one_line(error: BaseException) -> str:
    """Return the error's class and text, short and without line breaks."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"


def _outcome_of_smtp(error: smtplib.SMTPException, reason: str) -> Outcome:
    match error:
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPNotSupportedError():
            return outcome_of_opening(error)
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            return Refused(reason) if all(code >= 500 for code in codes) else Again(reason)
        # The sender is the same for every notice; 552 is about the size of this one.
        case smtplib.SMTPSenderRefused(smtp_code=code) if code >= 500 and code != 552:
            return Misconfigured(reason)
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            return Again(reason)
        case smtplib.SMTPResponseException(smtp_code=code) if code >= 400:
            return Refused(reason) if code >= 500 else Again(reason)
    # The connection went. Until the text began to travel nothing can have been taken.
    frames = traceback.walk_tb(error.__traceback__)
    if any(frame.f_code.co_name == "data" for frame, _ in frames):
        return Unclear(reason)
    return Again(reason)


def _outcome_of_status(error: Exception, status: int, reason: str, *, now: datetime) -> Outcome:
    code = _code_of(error)
    if code in _ACCOUNT_CODES or status in _ACCOUNT_STATUSES or 300 <= status < 400:
        return Misconfigured(reason)
    if code in _BUSY_CODES or status in _BUSY_STATUSES:
        return Again(reason, after=_asked_pause(error, now=now))
    # Below 300 it was taken, and its answer cannot be read.
    if status < 300 or status in _UNANSWERED_STATUSES:
        return Unclear(reason)
    if status >= 500:
        return Again(reason, after=_asked_pause(error, now=now))
    return Refused(reason)


def _status_of(error: Exception) -> int:
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        # boto3 gives the parsed answer instead of the answer.
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return int(getattr(response, "status_code", 0))


def _code_of(error: Exception) -> str:
    """Return the service's own word for what is wrong, where it gave one."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    try:
        body = response.json()
    except (ValueError, AttributeError):
        return ""
    return str(body.get("ErrorCode", "")) if isinstance(body, dict) else ""


def _asked_pause(error: Exception, *, now: datetime) -> timedelta | None:
    """Read ``Retry-After``: seconds, or a date."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    else:
        headers = {name.lower(): value for name, value in response.headers.items()}
    asked = str(headers.get("retry-after", ""))
    if not asked:
        return None
    try:
        return timedelta(seconds=max(0, int(asked)))
    except (ValueError, OverflowError):
        pass
    try:
        until: datetime = parsedate_to_datetime(asked)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - now, timedelta())


def _kinds(error: BaseException) -> set[str]:
    """Return the names of the classes of an error and of all that it was made from."""
    return {kind.__name__ for each in _with_causes(error) for kind in type(each).__mro__}


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[object] = [error]
    met: set[int] = set()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in met:
            continue
        met.add(id(each))
        yield each
        # urllib3 keeps the cause in ``reason``, requests in ``args``, botocore in ``kwargs``.
        kwargs = getattr(each, "kwargs", None)
        waiting += [each.__cause__, getattr(each, "reason", None), *each.args]
        waiting += kwargs.values() if isinstance(kwargs, dict) else []
