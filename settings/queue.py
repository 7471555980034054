"""
Celery, where it runs the jobs instead of cron. The broker's URL is read by each settings module.

Everything else that keeps tasks safe stands with the tasks themselves, in credits/tasks.py.
"""

CELERY_TIMEZONE = "UTC"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True

# A worker takes one task at a time: one that it only holds in reserve nobody else can do.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1

# Seconds after which Redis takes a task for lost that nobody acknowledged, and delivers it again.
# Longer than any task may take: credits.work_on_shard ends after 55 minutes.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3_600}

# A worker that starts before Redis waits for it. One that loses Redis does its task to the end:
# it cannot be acknowledged, comes again, and finds its work done.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
