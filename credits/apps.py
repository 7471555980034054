from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.management import CommandError
from django.db import DatabaseError
from django.db.migrations import Migration
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


def install_triggers(*, using: str, **kwargs: Any) -> None:
    """Put the ledger's triggers back: SQLite loses them whenever Django remakes a table."""
    from credits.engine import triggers
    from credits.engine.mariadb import NO_TRIGGERS, error_number

    try:
        triggers.install(using=using)
    except DatabaseError as error:
        if error_number(error.__cause__) not in NO_TRIGGERS:
            raise
        raise CommandError(
            f"MariaDB lets this account create no trigger ({error.__cause__}), so the ledger can be"
            " edited. GRANT TRIGGER ON the database to it; where there is a binary log, SET GLOBAL"
            " log_bin_trust_function_creators = 1 as well. Then run manage.py migrate again."
        ) from error


def make_way(*, using: str, plan: Sequence[tuple[Migration, bool]], **kwargs: Any) -> None:
    """Let a migration go back on MariaDB, where what refers to a column keeps it."""
    from credits.engine import triggers

    if any(is_back and migration.app_label == "credits" for migration, is_back in plan):
        triggers.make_way(using=using)


class CreditsConfig(AppConfig):
    name = "credits"
    verbose_name = _("Credits")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from credits import checks as own_checks
        from credits import mariadb_checks, setting_checks
        from credits.monitoring import checks as monitoring_checks
        from credits.monitoring import logs, totals, watchers
        from credits.notices import tracking, webhooks
        from credits.signals import jobs_checked, run_finished, run_started

        pre_migrate.connect(make_way, sender=self, dispatch_uid="credits.make_way")
        post_migrate.connect(install_triggers, sender=self, dispatch_uid="credits.triggers")
        run_finished.connect(logs.log_run, dispatch_uid="credits.logs")
        run_finished.connect(totals.count_run, dispatch_uid="credits.totals")
        # Last: what is told stands in the log and in the totals by then.
        run_started.connect(watchers.run_began, dispatch_uid="credits.watchers")
        run_finished.connect(watchers.run_ended, dispatch_uid="credits.watchers")
        jobs_checked.connect(watchers.jobs_checked, dispatch_uid="credits.watchers")
        checks.register(setting_checks.check_settings)
        checks.register(setting_checks.check_rules)
        checks.register(own_checks.check_databases)
        checks.register(own_checks.check_triggers, checks.Tags.database)
        checks.register(mariadb_checks.check_server, checks.Tags.database)
        checks.register(mariadb_checks.check_tables, checks.Tags.database)
        checks.register(own_checks.check_seals)
        checks.register(own_checks.check_mail)
        checks.register(own_checks.check_links)
        checks.register(own_checks.check_triggering)
        checks.register(monitoring_checks.check_chats)
        checks.register(monitoring_checks.check_heartbeats)
        checks.register(monitoring_checks.check_sentry)
        checks.register(monitoring_checks.check_metrics)
        if webhooks.has_anymail():
            from anymail import signals

            signals.tracking.connect(tracking.receive, dispatch_uid="credits.tracking")
