from decimal import Decimal

import pytest

from homezy.importing.documents import Act, owner_of, parse
from homezy.importing.fields import Refused
from tests.homezy.importing.lives import decoded
from tests.homezy.importing.original import Original


@pytest.fixture
def original():
    original = Original()
    aisha = original.professional()
    aisha.bonus()
    aisha.buy(50)
    aisha.spend(120)
    return original


def refusal(collection, document):
    with pytest.raises(Refused) as refused:
        parse(collection, decoded(document))
    return str(refused.value)


class TestParseTransaction:
    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("type", "transfer", "type 'transfer' is not known"),
            ("type", None, "type is missing"),
            ("amount", None, "amount is missing"),
            ("amount", -12.5, "amount -12.5 is not a whole number"),
            ("amount", "-12", "amount '-12' is not a number"),
            ("amount", True, "amount True is not a number"),
            ("amount", float("nan"), "amount nan is not a number"),
            (
                "amount",
                -(10**12),
                "amount -1000000000000 is not between -2147483647 and 2147483647",
            ),
            ("amount", Decimal("1e999999"), "amount Decimal('1E+999999') is not between"),
            ("amount", 30, "amount of a spend must be below 0, not 30"),
            ("amount", 0, "amount of a spend must be below 0, not 0"),
            ("createdAt", "soon", "createdAt 'soon' is not a date"),
            ("createdAt", None, "createdAt is missing"),
            ("creditType", "gold", "creditType 'gold' is not known"),
            ("professionalId", "", "professionalId is not an id of 1 to 24 characters"),
            ("metadata", "lead", "metadata is not an object"),
        ],
    )
    def test_refuses_a_spend(self, original, field, value, why):
        spend = {**original.credittransactions[-1], field: value}

        assert refusal("credittransactions", spend).startswith(why)

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("expiresAt", None, "expiresAt is missing"),
            ("remainingAmount", 51, "remainingAmount is 51 of 50"),
            ("remainingAmount", -1, "remainingAmount -1 is not between 0 and 2147483647"),
            ("creditType", "free", "creditType of a purchase must be paid"),
            ("amount", -50, "amount of a purchase must be above 0, not -50"),
        ],
    )
    def test_refuses_a_lot(self, original, field, value, why):
        lot = {**original.credittransactions[1], field: value}

        assert refusal("credittransactions", lot) == why

    def test_takes_a_double_that_is_whole(self, original):
        spend = {**original.credittransactions[-1], "amount": -120.0}

        assert parse("credittransactions", decoded(spend)).amount == -120

    @pytest.mark.parametrize(
        ("kind", "description", "act"),
        [
            ("purchase", "Refund: Lead cancelled by homeowner", Act.REFUND),
            ("purchase", "Credit purchase - starter", Act.PURCHASE),
            ("spend", "Credits expired", Act.EXPIRY),
            ("spend", "Lead claim d2d855", Act.SPEND),
        ],
    )
    def test_tells_what_a_transaction_was(self, original, kind, description, act):
        document = original.credittransactions[1 if kind == "purchase" else 2]
        document.update(description=description)

        assert parse("credittransactions", decoded(document)).act == act

    def test_keeps_text_that_any_database_can_hold(self, original):
        spend = original.credittransactions[-1]
        spend["description"] = "Lead\n claim\x00 \ud800" + "x" * 300
        spend["metadata"] = {"a\x00": ["b\x00", float("inf"), 10**30, {"c": {"d": {"e": {}}}}]}

        document = parse("credittransactions", decoded(spend))

        assert document.description.startswith("Lead claim� ?xxx")
        assert len(document.description) == 200
        assert document.metadata == {
            "a�": ["b�", "inf", f"{10**30}", {"c": {"d": {"e": "nested too deeply"}}}]
        }


class TestParseUser:
    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("email", None, "email is missing"),
            ("email", "nobody", "email is not an e-mail address"),
            ("email", "a@b\x1b[2J", "email is not an e-mail address"),
            ("email", f"{'a' * 250}@example.com", "email is not an e-mail address"),
            ("role", "king", "role 'king' is not known"),
            ("createdAt", 12, "createdAt 12 is not a date"),
            ("isActive", "no", "isActive is neither true nor false"),
            ("firstName", 5, "firstName is not text"),
            ("proProfile", [], "proProfile is not an object"),
            (
                "proProfile",
                {"verificationStatus": "maybe"},
                "proProfile.verificationStatus 'maybe' is not known",
            ),
            ("_id", "x" * 25, "_id is not an id of 1 to 24 characters"),
            ("_id", None, "_id is missing"),
        ],
    )
    def test_refuses(self, original, field, value, why):
        user = decoded(original.users[0]) | {field: value}

        with pytest.raises(Refused) as refused:
            parse("users", user)

        assert str(refused.value) == why

    def test_writes_an_address_in_lower_case(self, original):
        original.users[0]["email"] = " Aisha@Example.COM "

        assert parse("users", decoded(original.users[0])).email == "aisha@example.com"

    def test_never_quotes_an_address(self, original):
        original.users[0]["email"] = "aisha at example.com"

        assert "aisha" not in refusal("users", original.users[0])


class TestParseBalanceAndPurchase:
    def test_refuses_a_balance_below_zero(self, original):
        balance = {**original.creditbalances[0], "freeCredits": -1}

        assert refusal("creditbalances", balance).startswith("freeCredits -1 is not between 0")

    @pytest.mark.parametrize("price", [-1, 0.001, 10**10, "250"])
    def test_refuses_what_is_no_price(self, original, price):
        assert "priceAED" in refusal(
            "creditpurchases", {**original.creditpurchases[0], "priceAED": price}
        )

    def test_refuses_an_unknown_status(self, original):
        purchase = {**original.creditpurchases[0], "status": "maybe"}

        assert refusal("creditpurchases", purchase) == "status 'maybe' is not known"


class TestOwnerOf:
    def test_knows_whose_a_refused_document_is(self, original):
        spend = {**original.credittransactions[-1], "amount": "much"}

        assert owner_of("credittransactions", spend) == str(original.users[0]["_id"])

    def test_admits_that_nobody_can_tell(self):
        assert owner_of("credittransactions", {"professionalId": None}) is None
