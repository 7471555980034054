"""deploy/kubernetes: manifests that the API would take, that run what cron runs."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.conf import settings

from settings.environment import BASE_DIR
from tests.deploy.schedules import SCHEDULES, SECRET, assert_understood

pytestmark = pytest.mark.engine("postgresql")  # No manifest is about a database.

FILES = sorted(Path(BASE_DIR, "deploy", "kubernetes").glob("*.yaml"))
KUBERNETES = "1.30"
"""The oldest version that the manifests are for; the newest is the validator's."""


def objects() -> list[dict[str, Any]]:
    return [found for path in FILES for found in yaml.safe_load_all(path.read_text()) if found]


def named(found: dict[str, Any]) -> str:
    return f"{found['kind']}/{found['metadata']['name']}"


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [found for found in objects() if found["kind"] in kinds]


def pod_of(found: dict[str, Any]) -> dict[str, Any]:
    spec = found["spec"]
    return spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]


WITH_PODS = of_kind("CronJob", "Job", "Deployment")


class TestManifests:
    @pytest.mark.parametrize("version", [KUBERNETES, kubernetes_validate.latest_version()])
    @pytest.mark.parametrize("found", objects(), ids=named)
    def test_are_valid(self, found, version):
        kubernetes_validate.validate(found, version, strict=True)

    @pytest.mark.parametrize("found", WITH_PODS, ids=named)
    def test_shut_their_pods_in(self, found):
        pod = pod_of(found)

        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]

    def test_run_one_version_of_one_image(self):
        (image,) = {pod_of(found)["containers"][0]["image"] for found in WITH_PODS}

        assert image.rpartition(":")[2] == "0.1.0"

    def test_hold_no_secret(self):
        assert [path.name for path in FILES if SECRET.search(path.read_text())] == []
        assert of_kind("Secret") == []

    def test_set_what_the_example_of_the_environment_names(self):
        (values,) = of_kind("ConfigMap")
        example = Path(BASE_DIR, ".env.example").read_text()

        assert [name for name in values["data"] if f"{name}=" not in example] == []

    def test_ask_the_web_by_a_name_that_it_answers_to(self):
        (web,), (values,) = of_kind("Deployment"), of_kind("ConfigMap")
        probe = pod_of(web)["containers"][0]["readinessProbe"]["httpGet"]
        headers = {header["name"]: header["value"] for header in probe["httpHeaders"]}

        assert headers["Host"] == values["data"]["DJANGO_ALLOWED_HOSTS"]
        assert values["data"]["TRUST_X_FORWARDED_PROTO"] == "yes"
        assert headers["X-Forwarded-Proto"] == "https"


class TestCronJobs:
    def test_are_cron_s(self):
        found = {
            pod_of(job)["containers"][0]["args"][0]: job["spec"]["schedule"]
            for job in of_kind("CronJob")
        }

        assert found == SCHEDULES

    @pytest.mark.parametrize("found", of_kind("CronJob", "Job"), ids=named)
    def test_run_a_command_that_exists(self, found):
        (container,) = pod_of(found)["containers"]

        assert container["command"] == ["python", "manage.py"]
        assert_understood(container["args"][0], container["args"][1:])

    @pytest.mark.parametrize("found", of_kind("CronJob"), ids=named)
    def test_are_on_utc_and_make_up_for_hours(self, found):
        assert found["spec"]["timeZone"] == "Etc/UTC" == f"Etc/{settings.TIME_ZONE}"
        assert found["spec"]["concurrencyPolicy"] == "Forbid"
        assert found["spec"]["startingDeadlineSeconds"] >= 2 * 3_600

    def test_differ_in_nothing_else(self):
        first, *others = (_without_its_own(job) for job in of_kind("CronJob"))

        assert all(job == first for job in others)


def _without_its_own(job: dict[str, Any]) -> dict[str, Any]:
    name = job["metadata"]["name"]
    del job["spec"]["schedule"], job["spec"]["startingDeadlineSeconds"]
    del pod_of(job)["containers"][0]["args"]
    text: dict[str, Any] = yaml.safe_load(yaml.safe_dump(job).replace(name, "NAME"))
    return text
