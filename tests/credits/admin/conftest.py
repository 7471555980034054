import pytest
from django.test import Client

from homezy.models import User


@pytest.fixture
def operator(client: Client) -> Client:
    """Return the browser of somebody who may do everything."""
    client.force_login(User.objects.create_superuser("operator@example.com", "secret"))
    return client
