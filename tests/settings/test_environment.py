"""settings.environment: read the environment, or say in one sentence what is wrong with it."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings import environment

NAME = "CREDITS_TEST_VARIABLE"
SECRET = "correct-horse-battery-staple-0123456789-abcdefghijklmnop"


@pytest.fixture
def say(monkeypatch):
    """Set the variable that these tests read."""
    monkeypatch.delenv(NAME, raising=False)
    return lambda value: monkeypatch.setenv(NAME, value)


class TestText:
    def test_is_what_the_variable_says(self, say):
        say(" hello ")

        assert environment.text(NAME) == "hello"

    @pytest.mark.parametrize("blank", ["", "  "])
    def test_blank_counts_as_unset(self, say, blank):
        say(blank)

        assert environment.text(NAME, default="instead") == "instead"

    def test_unset_is_refused_by_name(self, say):
        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} is not set"):
            environment.text(NAME)


class TestWords:
    def test_are_separated_by_commas(self, say):
        say("one.example, two.example,")

        assert environment.words(NAME) == ["one.example", "two.example"]

    @pytest.mark.parametrize("nothing", ["", " , "])
    def test_none_is_refused_by_name(self, say, nothing):
        say(nothing)

        with pytest.raises(ImproperlyConfigured, match=NAME):
            environment.words(NAME)

    def test_none_is_fine_where_there_is_a_default(self, say):
        assert environment.words(NAME, default="") == []


class TestAddresses:
    def test_are_separated_by_commas_or_spaces_but_not_by_commas_of_their_own(self, say):
        say("slack://a/b, discord://c/?ping=1,2 expire_credits=https://d,,json://e")

        assert environment.addresses(NAME) == [
            "slack://a/b",
            "discord://c/?ping=1,2",
            "expire_credits=https://d,",
            "json://e",
        ]

    def test_may_be_none(self, say):
        say("")

        assert environment.addresses(NAME) == []


class TestNumber:
    def test_is_what_the_variable_says(self, say):
        say("25")

        assert environment.number(NAME, default=587) == 25

    def test_is_the_default_where_unset(self, say):
        assert environment.number(NAME, default=587) == 587

    @pytest.mark.parametrize("value", ["many", "-1", "2.5"])
    def test_anything_else_is_refused_by_name(self, say, value):
        say(value)

        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} must be a whole number"):
            environment.number(NAME, default=587)


class TestFlag:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("False", False), ("0", False)],
    )
    def test_is_what_the_variable_says(self, say, value, expected):
        say(value)

        assert environment.flag(NAME, default=not expected) is expected

    @pytest.mark.parametrize("default", [True, False])
    def test_is_the_default_where_unset(self, say, default):
        assert environment.flag(NAME, default=default) is default

    def test_anything_else_is_refused_by_name(self, say):
        say("maybe")

        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} must be yes or no"):
            environment.flag(NAME, default=True)


class TestPrefixed:
    def test_are_the_variables_of_a_prefix_by_the_rest_of_their_names(self, monkeypatch):
        monkeypatch.setenv("CREDITS_TEST_API_KEY", "key")

        assert environment.prefixed("CREDITS_TEST_") == {"API_KEY": "key"}


class TestSecretKey:
    def test_is_what_the_variable_says(self, say):
        say(SECRET)

        assert environment.secret_key(NAME) == SECRET

    @pytest.mark.parametrize(
        "key",
        [
            pytest.param("", id="missing"),
            pytest.param("changeme", id="short"),
            pytest.param("abc" * 20, id="few characters"),
            pytest.param(f"django-insecure-{SECRET}", id="Django's default"),
        ],
    )
    def test_is_refused_by_name(self, say, key):
        say(key)

        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} "):
            environment.secret_key(NAME)


class TestEmailBackend:
    @pytest.mark.parametrize(
        ("service", "backend"),
        [
            ("smtp", "django.core.mail.backends.smtp.EmailBackend"),
            ("mailgun", "anymail.backends.mailgun.EmailBackend"),
            ("resend", "credits.notices.backends.ResendBackend"),
            ("brevo", "credits.notices.backends.BrevoBackend"),
            ("amazon_ses", "credits.notices.ses.AmazonSESBackend"),
        ],
    )
    def test_belongs_to_the_service(self, say, service, backend):
        say(service)

        assert environment.email_backend(NAME) == backend

    @pytest.mark.parametrize("service", ["pigeon", "base", "test"])
    def test_unknown_service_is_refused_with_those_known(self, say, service):
        say(service)

        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} must be smtp or one of .*mailgun"):
            environment.email_backend(NAME)


class TestReadEnvFile:
    def test_leaves_what_the_environment_says(self, monkeypatch, tmp_path):
        monkeypatch.setenv("CREDITS_TEST_SAID", "by the environment")
        monkeypatch.setenv("CREDITS_TEST_UNSAID", "")
        monkeypatch.delenv("CREDITS_TEST_UNSAID")
        file = tmp_path / ".env"
        file.write_text("CREDITS_TEST_SAID=by the file\nCREDITS_TEST_UNSAID=by the file\n")

        environment.read_env_file(file)

        assert environment.text("CREDITS_TEST_SAID") == "by the environment"
        assert environment.text("CREDITS_TEST_UNSAID") == "by the file"

    def test_may_be_missing(self, tmp_path):
        environment.read_env_file(tmp_path / ".env")


class TestSQLite:
    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("sqlite:///credits.sqlite3", environment.BASE_DIR / "credits.sqlite3"),
            ("sqlite:////var/lib/credits.sqlite3", Path("/var/lib/credits.sqlite3")),
            ("sqlite:////var/my%20data/credits.sqlite3", Path("/var/my data/credits.sqlite3")),
        ],
        ids=["in the project", "anywhere", "escaped"],
    )
    def test_is_a_file(self, url, path):
        assert environment.database(url)["NAME"] == path

    def test_is_tested_in_a_file_of_its_own(self):
        settings = environment.database("sqlite:////var/lib/credits.sqlite3")

        assert settings["TEST"]["NAME"] == Path("/var/lib/test_credits.sqlite3")

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://",
            "sqlite:///",
            "sqlite://:memory:",
            "sqlite:///:memory:",
            "sqlite://a.sqlite3",
        ],
    )
    def test_without_a_file_is_refused(self, url):
        with pytest.raises(ImproperlyConfigured, match="^DATABASE_URL names no SQLite file"):
            environment.database(url)


class TestPostgreSQL:
    @pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
    def test_is_taken_apart(self, scheme):
        settings = environment.database(
            f"{scheme}://aisha:s%40cret@db.example:5433/credits?sslmode=require"
        )

        assert settings == {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "credits",
            "USER": "aisha",
            "PASSWORD": "s@cret",
            "HOST": "db.example",
            "PORT": "5433",
            "OPTIONS": {"sslmode": "require"},
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
        }

    def test_may_be_a_unix_socket(self):
        settings = environment.database("postgresql:///credits?host=/run/postgresql")

        assert (settings["HOST"], settings["NAME"]) == ("/run/postgresql", "credits")

    def test_without_a_name_is_refused(self):
        with pytest.raises(ImproperlyConfigured, match="names no PostgreSQL database"):
            environment.database("postgresql://db.example")

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://aisha:s%zzcret@db.example/credits",
            "postgresql://h/credits?colour=s%zzcret",
        ],
    )
    def test_that_is_malformed_is_refused_without_its_password(self, url):
        with pytest.raises(ImproperlyConfigured, match="not a URL that PostgreSQL") as refused:
            environment.database(url)

        assert "cret" not in str(refused.value)


class TestOtherDatabases:
    @pytest.mark.parametrize(
        "url",
        [
            "djongo://localhost/credits",
            "mongodb://aisha:secret@localhost/credits",
            "mongodb+srv://aisha:secret@localhost/credits",
            "oracle://aisha:secret@localhost/credits",
            "credits.sqlite3",
        ],
    )
    def test_are_refused_with_what_to_use_and_without_the_password(self, url):
        with pytest.raises(ImproperlyConfigured) as refused:
            environment.database(url)

        sentence = str(refused.value)
        assert sentence.startswith("DATABASE_URL is a ")
        assert "sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or mysql://" in sentence
        assert "import_homezy" in sentence
        assert "secret" not in sentence


class TestHttpsUrl:
    @pytest.mark.parametrize("given", ["https://homezy.example", "https://homezy.example/"])
    def test_is_what_the_variable_says_without_its_last_slash(self, say, given):
        say(given)

        assert environment.https_url(NAME) == "https://homezy.example"

    @pytest.mark.parametrize(
        "given", ["http://homezy.example", "homezy.example", "https://", "https://a.example/?b=c"]
    )
    def test_anything_else_is_refused_by_name(self, say, given):
        say(given)

        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} must look like"):
            environment.https_url(NAME)


class TestBasicAuth:
    def test_is_what_the_variable_says(self, say):
        say("mail:0123456789abcdef:more")

        assert environment.basic_auth(NAME) == "mail:0123456789abcdef:more"

    @pytest.mark.parametrize("given", ["0123456789abcdef", ":0123456789abcdef", "mail:short"])
    def test_what_could_be_guessed_is_refused_and_not_quoted(self, say, given):
        say(given)

        with pytest.raises(ImproperlyConfigured, match=f"^{NAME} must be USER:PASSWORD") as refused:
            environment.basic_auth(NAME)

        assert given not in str(refused.value)


class TestBroker:
    @pytest.fixture(autouse=True)
    def nothing_said(self, monkeypatch):
        monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
        monkeypatch.delenv("REDIS_URL", raising=False)

    @pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "REDIS_URL"])
    @pytest.mark.parametrize("url", ["redis://localhost:6379/0", "amqps://user:secret@mq.example"])
    def test_is_what_a_variable_says(self, monkeypatch, name, url):
        monkeypatch.setenv(name, url)

        assert environment.broker() == url

    def test_may_be_missing(self):
        assert environment.broker() == ""

    @pytest.mark.parametrize("url", ["http://:secret@redis.example", "redis.example"])
    def test_of_another_kind_is_refused_without_its_password(self, monkeypatch, url):
        monkeypatch.setenv("CELERY_BROKER_URL", url)

        with pytest.raises(ImproperlyConfigured, match="^CELERY_BROKER_URL is a ") as refused:
            environment.broker()

        assert "secret" not in str(refused.value)


class TestMariaDB:
    @pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
    def test_is_a_url(self, scheme):
        settings = environment.database(f"{scheme}://aisha:s%40cret@db.example:3307/credits")

        assert settings["ENGINE"] == "django.db.backends.mysql"
        known = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
        assert [settings[key] for key in known] == [
            *("credits", "aisha", "s@cret", "db.example", "3307")
        ]

    def test_begins_each_connection_as_the_ledger_needs_it(self):
        options = environment.database("mysql://db.example/credits")["OPTIONS"]

        assert options["charset"] == "utf8mb4"
        assert options["isolation_level"] == "read committed"
        assert "STRICT_TRANS_TABLES,SIMULTANEOUS_ASSIGNMENT" in options["init_command"]
        assert "ssl" not in options

    def test_may_be_a_socket(self):
        settings = environment.database("mysql://root@/credits?unix_socket=%2Frun%2Fmysqld.sock")

        assert (settings["HOST"], settings["USER"]) == ("/run/mysqld.sock", "root")

    def test_may_be_asked_for_over_tls(self):
        settings = environment.database("mysql://db.example/credits?ssl_ca=/etc/ca.pem")

        assert settings["OPTIONS"]["ssl"] == {"ca": "/etc/ca.pem"}

    def test_must_name_a_database(self):
        with pytest.raises(ImproperlyConfigured, match="names no MariaDB database"):
            environment.database("mysql://db.example")

    @pytest.mark.parametrize(
        "url",
        [
            "mysql://aisha:secret@db.example:many/credits",
            "mysql://aisha:secret@db.example/credits?colour=secret",
            "mysql://aisha:secret@db.example/credits?colour",
            "mysql://aisha:secret@db.example/credits/more",
        ],
    )
    def test_that_is_no_url_is_refused_without_its_password(self, url):
        with pytest.raises(ImproperlyConfigured, match="not a URL that MariaDB") as refused:
            environment.database(url)

        assert "secret" not in str(refused.value)
