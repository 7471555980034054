"""homezy.wsgi and homezy.asgi: what a web server is pointed at."""

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.utils.module_loading import import_string


class TestApplication:
    def test_of_wsgi_is_the_one_in_the_settings(self, settings):
        assert isinstance(import_string(settings.WSGI_APPLICATION), WSGIHandler)

    def test_of_asgi(self):
        assert isinstance(import_string("homezy.asgi.application"), ASGIHandler)
