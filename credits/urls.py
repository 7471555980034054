"""The app's own addresses: for people who want fewer notices, mail services and schedulers."""

from django.urls import include, path

from credits import views
from credits.monitoring import views as monitoring
from credits.notices.webhooks import webhook_patterns
from credits.triggering import views as triggering

app_name = "credits"

urlpatterns = [
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("unsubscribe/<str:token>/undo/", views.subscribe, name="subscribe"),
    path("trigger/<str:job>/", triggering.trigger, name="trigger"),
    path("jobs/<str:job>/", triggering.job, name="job"),
    path("metrics/", monitoring.metrics, name="metrics"),
    path("health/", monitoring.health, name="health"),
    path("health/jobs/", monitoring.health_of_jobs, name="health-jobs"),
    path("anymail/", include((webhook_patterns(), "anymail"))),
]
