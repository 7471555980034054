"""The app's own addresses: for people who want fewer notices, mail services and schedulers."""

from django.urls import include, path

from credits import views
from credits.notices.webhooks import webhook_patterns
from credits.triggering import views as triggering

app_name = "credits"

urlpatterns = [
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("unsubscribe/<str:token>/undo/", views.subscribe, name="subscribe"),
    path("trigger/<str:job>/", triggering.trigger, name="trigger"),
    path("jobs/<str:job>/", triggering.job, name="job"),
    path("anymail/", include((webhook_patterns(), "anymail"))),
]
