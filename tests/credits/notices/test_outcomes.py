"""credits.notices.outcomes: what an exception says about a mail."""

import json
import smtplib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import SimpleNamespace

import pytest
import requests
import urllib3
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
    AnymailSerializationError,
    AnymailUnsupportedFeature,
)
from botocore import exceptions as boto
from django.core.exceptions import ImproperlyConfigured

from credits.notices.outcomes import (
    Again,
    Misconfigured,
    Refused,
    Unclear,
    in_one_line,
    outcome_of,
    outcome_of_opening,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answered(status: int, content: object = "", **headers: str) -> Exception:
    """Return what anymail raises for an HTTP answer."""
    response = requests.Response()
    response.status_code = status
    response.raw = BytesIO(json.dumps(content).encode())
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return AnymailRequestsAPIError(response=response, backend=SimpleNamespace(esp_name="Test"))


def broken(cause: Exception) -> Exception:
    """Return what anymail raises for a request that got no answer."""
    kind = type("AnymailRequestsAPIError", (AnymailRequestsAPIError, type(cause)), {})
    error = kind("Error posting to https://api.example/:")
    error.__cause__ = cause
    return error


def ses(code: str, status: int, **headers: str) -> Exception:
    """Return what anymail raises for a ClientError of boto3."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    cause = boto.ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata}, "SendEmail"
    )
    error = AnymailAPIError(str(cause), response=cause.response)
    error.__cause__ = cause
    return error


def ses_broken(cause: Exception) -> Exception:
    error = AnymailAPIError(str(cause))
    error.__cause__ = cause
    return error


def raised_in_data(error: Exception) -> Exception:
    """Return an error as smtplib's ``data`` raises it, traceback and all."""

    def data():
        raise error

    with pytest.raises(type(error)) as caught:
        data()
    return caught.value


POOL = urllib3.HTTPSConnectionPool("api.example")
NO_ROUTE = urllib3.exceptions.MaxRetryError(
    POOL, "/", urllib3.exceptions.NewConnectionError(POOL, "refused")
)


class TestOutcomeOf:
    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            pytest.param(answered(401), Misconfigured, id="401"),
            pytest.param(answered(403), Misconfigured, id="403"),
            pytest.param(answered(404), Misconfigured, id="404"),
            pytest.param(answered(400), Refused, id="400"),
            pytest.param(answered(422), Refused, id="422"),
            pytest.param(answered(422, {"ErrorCode": 401}), Misconfigured, id="Postmark's sender"),
            pytest.param(answered(422, {"ErrorCode": 300}), Refused, id="Postmark's recipient"),
            pytest.param(answered(429), Again, id="429"),
            pytest.param(answered(500), Again, id="500"),
            pytest.param(answered(503), Again, id="503"),
            pytest.param(answered(502), Unclear, id="502"),
            pytest.param(answered(504), Unclear, id="504"),
            pytest.param(answered(200), Unclear, id="taken, answer unreadable"),
            pytest.param(broken(requests.ConnectTimeout()), Again, id="no connection in time"),
            pytest.param(broken(requests.ConnectionError(NO_ROUTE)), Again, id="no connection"),
            pytest.param(broken(requests.exceptions.ProxyError()), Again, id="no proxy"),
            pytest.param(broken(requests.ReadTimeout()), Unclear, id="no answer in time"),
            pytest.param(
                broken(requests.ConnectionError(urllib3.exceptions.ProtocolError("aborted"))),
                Unclear,
                id="reset",
            ),
            pytest.param(
                broken(requests.exceptions.InvalidURL("no host")), Misconfigured, id="bad URL"
            ),
            pytest.param(ses("TooManyRequestsException", 429), Again, id="SES busy"),
            pytest.param(ses("Throttling", 400), Again, id="SES throttling"),
            pytest.param(ses("MessageRejected", 400), Refused, id="SES refused"),
            pytest.param(ses("SendingPausedException", 400), Misconfigured, id="SES paused"),
            pytest.param(ses("SignatureDoesNotMatch", 403), Misconfigured, id="SES signature"),
            pytest.param(ses("InternalFailure", 500), Again, id="SES 500"),
            pytest.param(
                ses_broken(boto.EndpointConnectionError(endpoint_url="x")), Again, id="SES away"
            ),
            pytest.param(
                ses_broken(boto.ReadTimeoutError(endpoint_url="x")), Unclear, id="SES silent"
            ),
            pytest.param(
                ses_broken(boto.ConnectionClosedError(endpoint_url="x")), Unclear, id="SES reset"
            ),
            pytest.param(ses_broken(boto.NoCredentialsError()), Misconfigured, id="SES no key"),
            pytest.param(AnymailRecipientsRefused(), Refused, id="recipient"),
            pytest.param(AnymailInvalidAddress("x"), Refused, id="address"),
            pytest.param(AnymailUnsupportedFeature("x"), Refused, id="feature"),
            pytest.param(AnymailSerializationError("x"), Refused, id="serialization"),
            pytest.param(AnymailConfigurationError("x"), Misconfigured, id="anymail's settings"),
            pytest.param(ImproperlyConfigured("x"), Misconfigured, id="settings"),
            pytest.param(ValueError("x"), Refused, id="newline in a header"),
            pytest.param(KeyError("x"), Refused, id="a fault of the backend"),
            pytest.param(OSError("x"), Unclear, id="an unknown breakage"),
            pytest.param(smtplib.SMTPAuthenticationError(535, b"no"), Misconfigured, id="535"),
            pytest.param(smtplib.SMTPAuthenticationError(454, b"later"), Again, id="454"),
            pytest.param(
                smtplib.SMTPRecipientsRefused({"a@b": (550, b"unknown")}), Refused, id="RCPT 550"
            ),
            pytest.param(
                smtplib.SMTPRecipientsRefused({"a@b": (451, b"later")}), Again, id="RCPT 451"
            ),
            pytest.param(
                smtplib.SMTPSenderRefused(530, b"log in", "a@b"), Misconfigured, id="MAIL 530"
            ),
            pytest.param(smtplib.SMTPSenderRefused(421, b"bye", "a@b"), Again, id="MAIL 421"),
            pytest.param(smtplib.SMTPSenderRefused(552, b"size", "a@b"), Refused, id="MAIL 552"),
            pytest.param(smtplib.SMTPDataError(554, b"spam"), Refused, id="DATA 554"),
            pytest.param(smtplib.SMTPDataError(451, b"later"), Again, id="DATA 451"),
            pytest.param(smtplib.SMTPDataError(-1, b""), Again, id="DATA, no code, not begun"),
            pytest.param(smtplib.SMTPServerDisconnected("bye"), Again, id="gone before DATA"),
            pytest.param(
                raised_in_data(smtplib.SMTPServerDisconnected("timed out")),
                Unclear,
                id="gone in DATA",
            ),
        ],
    )
    def test_tells_what_may_be_tried_again(self, error, expected):
        assert type(outcome_of(error, now=NOW)) is expected

    @pytest.mark.parametrize(
        ("header", "after"),
        [
            pytest.param("120", timedelta(seconds=120), id="seconds"),
            pytest.param("Sun, 01 Mar 2026 12:05:00 GMT", timedelta(minutes=5), id="date"),
            pytest.param("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0), id="date gone by"),
            pytest.param("-5", timedelta(0), id="negative"),
            pytest.param("soon", None, id="neither"),
            pytest.param("9" * 400, None, id="absurd"),
        ],
    )
    def test_reads_retry_after(self, header, after):
        outcome = outcome_of(answered(429, retry_after=header), now=NOW)

        assert isinstance(outcome, Again)
        assert outcome.after == after

    def test_reads_retry_after_of_boto(self):
        outcome = outcome_of(ses("Throttling", 400, **{"retry-after": "7"}), now=NOW)

        assert outcome == Again(outcome.reason, after=timedelta(seconds=7))

    def test_says_why_in_one_short_line(self):
        reason = in_one_line(ValueError("a\nb\r\n" + "c" * 500))

        assert reason.startswith("ValueError: a b ccc")
        assert len(reason) == 200


class TestOutcomeOfOpening:
    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            pytest.param(ConnectionRefusedError(), Again, id="refused"),
            pytest.param(TimeoutError(), Again, id="timeout"),
            pytest.param(smtplib.SMTPConnectError(554, b"no"), Again, id="turned away"),
            pytest.param(smtplib.SMTPAuthenticationError(535, b"no"), Misconfigured, id="password"),
            pytest.param(smtplib.SMTPAuthenticationError(454, b"no"), Again, id="later"),
            pytest.param(smtplib.SMTPNotSupportedError("TLS"), Misconfigured, id="no STARTTLS"),
            pytest.param(boto.NoRegionError(), Misconfigured, id="no region"),
            pytest.param(ImportError("backend"), Misconfigured, id="no such backend"),
            pytest.param(ImproperlyConfigured("key"), Misconfigured, id="no key"),
        ],
    )
    def test_knows_that_nothing_was_handed_over(self, error, expected):
        assert type(outcome_of_opening(error)) is expected
