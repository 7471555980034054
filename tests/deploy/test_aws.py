"""deploy/aws: EventBridge Scheduler calls a Lambda function for each job."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml
from django.utils import timezone

from credits.jobs.named import JobName
from credits.models import CreditTransaction, JobRun
from deploy.aws import handler
from settings import schedule
from settings.environment import BASE_DIR
from tests.deploy.cron import moments_of_crontab, moments_of_eventbridge
from tests.deploy.lambda_service import LambdaService, lambda_service
from tests.deploy.steps import follow
from tests.factories import make_lot_holders, make_run
from tests.processes import database_url
from tests.tampering import mend, poison

TEMPLATE = BASE_DIR / "deploy/aws/template.yaml"
EVENTS = Path(__file__).with_name("events")

SECRETS = {
    "DJANGO_SECRET_KEY": "correct-horse-battery-staple-0123456789-abcdefghijklmnop",
    "ANYMAIL_WEBHOOK_SECRET": "ses:correct-horse-battery",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found, problems = cfn_yaml.load(str(TEMPLATE)), []
    assert not problems
    return found


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """What the README's steps make, and what they tell the tools of AWS."""
    directory = tmp_path_factory.mktemp("aws")
    told = follow("deploy/aws/README.md", directory, "aws", "sam", environment=SECRETS)
    return directory / "build/aws", told


def of_type(template: dict[str, Any], name: str) -> dict[str, Any]:
    resources = template["Resources"].items()
    return {key: found["Properties"] for key, found in resources if found["Type"] == name}


@pytest.mark.engine("postgresql")  # The template names no database.
class TestTemplate:
    def test_passes_the_linter(self):
        linter = Path(sys.executable).with_name("cfn-lint")

        result = subprocess.run([linter, TEMPLATE], capture_output=True, text=True, check=False)

        assert (result.returncode, result.stdout) == (0, "")

    def test_schedules_each_job_at_cron_s_very_moments(self, template: dict[str, Any]):
        schedules = {
            json.loads(found["Target"]["Input"])["job"]: found
            for found in of_type(template, "AWS::Scheduler::Schedule").values()
        }

        assert set(schedules) == {job[2][0] for job in schedule.CRONJOBS}
        for line, _, (job,), *_ in schedule.CRONJOBS:
            found = schedules[job]
            moments = moments_of_eventbridge(found["ScheduleExpression"])
            assert moments == moments_of_crontab(line)
            assert found["ScheduleExpressionTimezone"] == "UTC"
            assert found["FlexibleTimeWindow"] == {"Mode": "OFF"}
            assert JobName(job) == handler.job_of(json.loads(found["Target"]["Input"]))

    def test_loses_no_event(self, template: dict[str, Any]):
        queue = {"Fn::GetAtt": ["GivenUp", "Arn"]}

        for found in of_type(template, "AWS::Scheduler::Schedule").values():
            assert found["Target"]["DeadLetterConfig"] == {"Arn": queue}
            assert found["Target"]["RetryPolicy"]["MaximumRetryAttempts"] > 0
        # What a function raises is retried and given up by Lambda, not by Scheduler.
        calls = template["Globals"]["Function"]["EventInvokeConfig"]
        assert calls["MaximumRetryAttempts"] == 2
        assert calls["DestinationConfig"]["OnFailure"] == {"Type": "SQS", "Destination": queue}
        (alarm,) = of_type(template, "AWS::CloudWatch::Alarm").values()
        assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": ["GivenUp", "QueueName"]}
        assert alarm["Threshold"] == 1

    def test_lets_scheduler_call_every_function_it_names(self, template: dict[str, Any]):
        (role,) = of_type(template, "AWS::IAM::Role").values()
        invoke, send = role["Policies"][0]["PolicyDocument"]["Statement"]

        targets = [
            found["Target"]["Arn"]
            for found in of_type(template, "AWS::Scheduler::Schedule").values()
        ]
        assert invoke["Resource"] == targets
        assert len({str(target) for target in targets}) == len(targets)
        assert send["Resource"] == {"Fn::GetAtt": ["GivenUp", "Arn"]}


class TestEventBridgesCron:
    @pytest.mark.parametrize(
        ("expression", "count", "first"),
        [
            ("cron(0 12 ? * 2-6 *)", 521, datetime(2027, 1, 1, 12, tzinfo=UTC)),
            ("cron(30 6,18 29 2 ? 2028)", 2, datetime(2028, 2, 29, 6, 30, tzinfo=UTC)),
            ("cron(5/20 0 1 1/6 ? *)", 12, datetime(2027, 1, 1, 0, 5, tzinfo=UTC)),
        ],
    )
    def test_means_what_the_guide_says(self, expression: str, count: int, first: datetime):
        moments = moments_of_eventbridge(expression)

        assert (len(moments), moments[0]) == (count, first)

    @pytest.mark.parametrize(
        "expression",
        [
            "1 0 1 * *",
            "cron(1 0 1 * *)",
            "cron(1 0 1 * * *)",
            "cron(1 0 ? * ? *)",
            "cron(1 24 1 * ? *)",
        ],
    )
    def test_is_six_fields_one_of_them_open(self, expression: str):
        with pytest.raises(ValueError, match=r"fields|days|outside"):
            moments_of_eventbridge(expression)


class TestSteps:
    def test_tell_the_tools_what_to_do(self, steps: tuple[Path, list[list[str]]]):
        commands = [" ".join(words[:3]) for words in steps[1]]

        assert commands == [
            "aws secretsmanager create-secret",
            "sam build --template",
            "sam deploy --guided",
            "aws cloudformation describe-stack-resource",
            "aws lambda invoke",
        ]

    def test_make_a_secret_with_every_key_that_is_asked_for(
        self, steps: tuple[Path, list[list[str]]], template: dict[str, Any]
    ):
        secret = json.loads(steps[1][0][-1])

        variables = template["Globals"]["Function"]["Environment"]["Variables"]
        assert set(secret) == {name for name, value in variables.items() if "resolve" in str(value)}
        assert secret["DJANGO_SECRET_KEY"] == SECRETS["DJANGO_SECRET_KEY"]

    def test_pin_what_was_tested(self):
        pins = (BASE_DIR / "requirements-dev.txt").read_text().splitlines()

        for place in ("aws", "gcp"):
            wanted = (BASE_DIR / f"deploy/{place}/requirements.txt").read_text().splitlines()
            assert {line for line in wanted if not line.startswith("#")} <= set(pins)


def event(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


class TestJobOf:
    @pytest.mark.parametrize("job", JobName)
    def test_is_any_job(self, job: JobName):
        assert handler.job_of({"job": job.value}) == job

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"job": "flush"},
            {"job": ["flush"]},
            {"detail": "[]"},
            {"detail": None, "resources": ["x/y"]},
        ],
        ids=str,
    )
    def test_is_said_to_be_missing(self, event: dict[str, Any]):
        with pytest.raises(ValueError, match=r"names no job but .* reset_monthly_credits or"):
            handler.job_of(event)


class Context:
    """Lambda's context, whose time runs out after so many questions."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def __init__(self, questions: int) -> None:
        self.questions = questions

    def get_remaining_time_in_millis(self) -> int:
        self.questions -= 1
        return handler.MARGIN if self.questions >= 0 else handler.MARGIN - 1


def expired(run: JobRun) -> int:
    return CreditTransaction.objects.filter(run=run).count()


@pytest.mark.django_db(transaction=True)
class TestTimeBudget:
    def test_ends_a_run_between_two_chunks_and_the_next_call_goes_on(self, settings: Any):
        settings.CREDITS = settings.CREDITS | {"CHUNK_SIZE": 1}
        make_lot_holders(5, expires_at=timezone.now() - timedelta(days=1))

        with pytest.raises(handler.JobUnfinished, match=r"^interrupted: Run \d+: total 2,"):
            handler.handle({"job": "expire_credits"}, Context(2))
        answer = handler.handle({"job": "expire_credits"}, Context(99))

        first, second = JobRun.objects.order_by("pk")
        assert (first.status, expired(first)) == ("interrupted", 2)
        assert (second.status, expired(second), answer["run"]) == ("succeeded", 3, second.pk)
        assert first.trigger == "lambda:8476a536-e9f4-11e8-9739-2"


@pytest.fixture(scope="module")
def service(
    steps: tuple[Path, list[list[str]]], template: dict[str, Any], django_db_setup: None
) -> Iterator[LambdaService]:
    """AWS's own runtime with what the steps made, and no variable but the template's."""
    if find_spec("runtime_client") is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail("awslambdaric is missing: pip install awslambdaric")
        pytest.skip("awslambdaric is not installed: there is none but for Linux")
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert set(variables) >= set(SECRETS)
    environment = {name: value for name, value in variables.items() if isinstance(value, str)}
    environment |= SECRETS | {
        "DATABASE_URL": database_url(),
        "DJANGO_ALLOWED_HOSTS": "homezy.example",
        "SITE_URL": "https://homezy.example",
        "DEFAULT_FROM_EMAIL": "Homezy <credits@homezy.example>",
    }
    assert set(environment) == set(variables)
    with lambda_service() as service:
        runtime = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", template["Globals"]["Function"]["Handler"]],
            cwd=steps[0],
            env=environment | {"AWS_LAMBDA_RUNTIME_API": service.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield service
        finally:
            runtime.kill()
            runtime.communicate()


@pytest.mark.django_db(transaction=True)
class TestRuntime:
    @pytest.mark.parametrize("name", ["scheduler-input", "scheduler-default", "rule", "bus"])
    def test_does_the_job_that_an_event_names(self, service: LambdaService, name: str):
        make_lot_holders(3, expires_at=timezone.now() - timedelta(days=1))

        ending = service.invoke(event(name))

        run = JobRun.objects.get()
        assert ending.kind == "response"
        assert ending.content["job"] == "expire_credits"
        assert ending.content["ending"] == "succeeded"
        assert ending.content["run"] == run.pk
        assert (run.success_count, run.trigger) == (3, "lambda:8476a536-e9f4-11e8-9739-2")

    def test_is_told_of_an_event_that_names_no_job(self, service: LambdaService):
        ending = service.invoke(event("rule-of-no-job"))

        assert (ending.kind, ending.content["errorType"]) == ("error", "ValueError")
        assert "names no job but 'nightly'" in ending.content["errorMessage"]

    def test_is_told_of_a_run_that_would_outlast_the_call(self, service: LambdaService):
        make_lot_holders(3, expires_at=timezone.now() - timedelta(days=1))

        ending = service.invoke(event("scheduler-input"), seconds=59)
        after = service.invoke(event("scheduler-input"))

        assert (ending.kind, ending.content["errorType"]) == ("error", "JobUnfinished")
        assert ending.content["errorMessage"].startswith("interrupted: Run ")
        assert after.kind == "response"
        assert "succeeded 3" in after.content["message"]

    def test_is_told_of_failures_so_that_the_event_is_not_lost(self, service: LambdaService):
        well, poisoned = make_lot_holders(2, expires_at=timezone.now() - timedelta(days=1))
        poison(poisoned)

        try:
            ending = service.invoke(event("scheduler-input"))
        finally:
            mend()

        assert (ending.kind, ending.content["errorType"]) == ("error", "JobUnfinished")
        assert ending.content["errorMessage"].startswith("partial: Run ")
        assert CreditTransaction.objects.get(run__isnull=False).professional == well

    def test_is_content_where_another_run_is_at_work(self, service: LambdaService):
        active = make_run(
            job=JobRun.Job.EXPIRY,
            status=JobRun.Status.RUNNING,
            heartbeat_at=timezone.now(),
            host="elsewhere",
        )

        ending = service.invoke(event("scheduler-input"))

        assert ending.kind == "response"
        assert (ending.content["ending"], ending.content["run"]) == ("already_active", active.pk)
