"""The app's own addresses: for people who want fewer notices, and for mail services that report."""

from django.urls import include, path

from credits import views
from credits.notices.webhooks import webhook_patterns

app_name = "credits"

urlpatterns = [
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("unsubscribe/<str:token>/undo/", views.subscribe, name="subscribe"),
    path("anymail/", include((webhook_patterns(), "anymail"))),
]
