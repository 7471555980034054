from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homezy.importing.account import Irreconcilable
from tests.homezy.importing.lives import acts, broken, live, replayed
from tests.homezy.importing.original import Original


def told(history):
    """The rows without their times: what happened, to which pool, how much."""
    return [(row.transaction_type, row.credit_type, row.amount) for row in history.rows]


@pytest.fixture
def aisha():
    return Original().professional()


class TestReplay:
    def test_gives_each_spend_its_pool(self, aisha):
        aisha.bonus(100)
        aisha.buy(50)
        aisha.spend(30)
        aisha.spend(90)
        aisha.spend(10)

        history = replayed(aisha)

        assert told(history) == [
            ("bonus", "free", 100),
            ("purchase", "paid", 50),
            ("spend", "free", -30),
            ("spend", "free", -70),
            ("spend", "paid", -20),
            ("spend", "paid", -10),
        ]
        assert history.rows[3].key == history.rows[4].key
        assert history.left == {1: 20}
        assert history.mended == {
            "spends of free credits recorded as paid": 2,
            "spends split over both pools": 1,
        }

    def test_does_not_carry_old_free_lots_over(self, aisha):
        aisha.bonus(100)
        aisha.reset()
        aisha.reset()

        history = replayed(aisha)

        assert history.free == 100
        assert history.mended == {"balances whose old free lots stayed open": 1}
        assert history.adjusted == []

    def test_keeps_what_a_reset_found_in_its_metadata(self, aisha):
        aisha.bonus(100)
        aisha.spend(30)
        aisha.reset()

        reset = replayed(aisha).rows[-1]

        assert (reset.transaction_type, reset.amount, reset.key) == ("monthly_reset", 30, None)
        assert reset.metadata["previous_free_credits"] == 70

    def test_keeps_a_reset_of_nothing(self, aisha):
        aisha.bonus(100)
        aisha.reset()

        assert told(replayed(aisha))[-1] == ("monthly_reset", "free", 0)

    def test_makes_an_expired_credits_spend_an_expiry_of_its_lot(self, aisha):
        lot = aisha.buy(50)
        aisha.spend(20)
        aisha.expire(lot)

        expiry = replayed(aisha).rows[-1]

        assert (expiry.transaction_type, expiry.amount) == ("expiry", -30)
        assert (expiry.origin, expiry.draws) == (0, ((0, -30),))

    def test_finds_the_lot_of_an_expiry_that_names_none(self, aisha):
        aisha.buy(50)
        spends = [aisha.spend(20), aisha.spend(7)]
        _, later = [aisha.refund(spend) for spend in spends]
        aisha.expire(later)

        history = replayed(aisha)

        assert history.rows[-1].amount == -7
        assert history.adjusted == []

    def test_makes_a_refund_purchase_a_refund_of_its_spend(self, aisha):
        aisha.buy(50)
        refund = aisha.refund(aisha.spend(20))

        history = replayed(aisha)

        row = history.rows[-1]
        assert (row.transaction_type, row.amount, row.granted) == ("refund", 20, 20)
        assert (row.origin, row.expires_at) == (1, refund["expiresAt"])
        assert history.left == {0: 30, 2: 20}

    def test_names_the_row_of_either_pool_that_a_refund_returns(self, aisha):
        aisha.bonus(5)
        aisha.buy(50)
        spend = aisha.spend(20)
        aisha.refund(spend)

        *_, paid_part, free_part = replayed(aisha).rows

        assert (paid_part.amount, paid_part.origin) == (15, 3)
        assert (free_part.amount, free_part.origin) == (5, 2)

    def test_never_lets_refunds_exceed_their_spend(self, aisha):
        aisha.buy(50)
        spend = aisha.spend(20)
        aisha.refund(spend)
        aisha.refund(spend)

        assert [row.origin for row in replayed(aisha).rows] == [None, None, 1, None]

    def test_says_that_the_spend_of_a_refund_is_unknown(self, aisha):
        aisha.buy(50)
        spends = [aisha.spend(20, lead="villa"), aisha.spend(20, lead="villa")]
        aisha.refund(spends[0])

        history = replayed(aisha)

        assert history.rows[-1].metadata["spend"] == "unknown"
        assert history.mended["refunds of no known spend"] == 1

    def test_takes_the_price_from_the_purchase(self, aisha):
        aisha.buy(50, price=250)

        assert replayed(aisha).rows[0].price == 250

    def test_takes_the_price_from_the_transaction_where_the_purchase_is_lost(self, aisha):
        aisha.buy(50, price=250)
        aisha.original.creditpurchases.clear()

        assert replayed(aisha).rows[0].price == 250

    def test_tells_of_credits_that_were_paid_for_and_never_came(self, aisha):
        lost = aisha.buy(50)
        aisha.original.credittransactions.remove(lost)
        aisha.balance.update(paidCredits=0, totalBalance=0)

        assert replayed(aisha).uncredited == [lost["metadata"]["purchaseId"]]

    def test_makes_the_second_reset_of_a_month_an_adjustment(self, aisha):
        aisha.bonus(100)
        aisha.reset()
        aisha.spend(40)
        again = aisha.reset()
        again["createdAt"] -= timedelta(days=20)

        history = replayed(aisha)

        assert told(history)[-1] == ("adjustment", "free", 40)
        assert history.mended["second resets in a month"] == 1
        assert len(history.adjusted) == 1


class TestReplayOfWhatDoesNotAddUp:
    def test_states_a_split_that_cannot_be_known(self, aisha):
        aisha.bonus(100)
        aisha.buy(50)
        aisha.spend(30)
        # The original drew on the lot instead of the pool, for whatever reason.
        aisha.balance.update(freeCredits=100, paidCredits=20)
        aisha.transactions[1]["remainingAmount"] = 20

        history = replayed(aisha)

        assert told(history)[-1] == ("spend", "paid", -30)
        assert history.rows[-1].metadata["split"] == "assumed"
        assert history.mended["spends whose split is a guess"] == 1
        assert history.adjusted == []

    def test_believes_what_a_reset_found(self, aisha):
        aisha.bonus(100)
        aisha.buy(50)
        aisha.spend(30)
        aisha.reset()["metadata"]["previousFreeCredits"] = 90
        aisha.transactions[-1]["amount"] = 10

        history = replayed(aisha)

        assert told(history)[2:] == [
            ("spend", "free", -10),
            ("spend", "paid", -20),
            ("monthly_reset", "free", 10),
            ("adjustment", "paid", 20),
        ]
        assert history.left == {1: 50}

    def test_gives_back_what_the_history_takes_too_much(self, aisha):
        aisha.bonus(100)
        aisha.spend(30)
        aisha.balance["freeCredits"] = 95

        history = replayed(aisha)

        assert told(history)[-1] == ("adjustment", "free", 25)
        assert history.free == 95

    def test_moves_credits_to_the_lot_that_the_original_left_them_in(self, aisha):
        used = aisha.buy(50)
        untouched = aisha.buy(60)
        aisha.spend(30)
        used["remainingAmount"], untouched["remainingAmount"] = 50, 30

        history = replayed(aisha)

        assert told(history)[-1] == ("adjustment", "paid", 0)
        assert history.left == {0: 50, 1: 30}
        assert history.rows[2].metadata["split"] == "assumed"

    def test_keeps_credits_whose_expiry_was_cut_short(self, aisha):
        # The lot was emptied, then the process died: the balance still shows the credits.
        aisha.buy(50)["remainingAmount"] = 0

        history = replayed(aisha)

        assert history.left == {0: 50}
        assert history.adjusted == []

    def test_opens_a_lot_for_credits_that_no_lot_accounts_for(self, aisha):
        aisha.buy(50)
        aisha.balance["paidCredits"] = 70

        history = replayed(aisha)

        assert told(history)[-1] == ("adjustment", "paid", 20)
        assert history.left == {0: 50, 1: 20}
        assert history.rows[-1].expires_at > history.rows[0].at + timedelta(days=180)

    def test_takes_what_the_balance_does_not_show_from_what_goes_first(self, aisha):
        aisha.buy(50)
        aisha.buy(60)
        aisha.balance["paidCredits"] = 80

        history = replayed(aisha)

        assert told(history)[-1] == ("adjustment", "paid", -30)
        assert history.left == {0: 20, 1: 60}
        assert len(history.adjusted) == 1

    def test_makes_the_expiry_of_no_known_lot_an_adjustment(self, aisha):
        lot = aisha.buy(50)
        aisha.expire(lot)["metadata"]["purchaseId"] = "another"

        history = replayed(aisha)

        assert told(history)[-1] == ("adjustment", "paid", -50)
        assert broken(history) == []

    def test_lends_what_a_spend_had_and_the_history_has_not(self, aisha):
        aisha.bonus(100)
        spend = aisha.spend(30)
        spend["amount"] = -130
        aisha.balance["freeCredits"] = 0

        history = replayed(aisha)

        assert told(history) == [
            ("bonus", "free", 100),
            ("adjustment", "free", 30),
            ("spend", "free", -130),
        ]

    def test_does_not_expire_a_lot_twice(self, aisha):
        lot = aisha.buy(50)
        aisha.spend(20)
        aisha.expire(lot)
        again = aisha.expire(lot)
        again["amount"] = -30

        history = replayed(aisha)

        assert broken(history) == []
        assert history.paid == aisha.balance["paidCredits"]

    def test_refuses_more_credits_than_a_column_holds(self, aisha):
        aisha.buy(2_000_000_000)
        aisha.buy(1)["amount"] = 2_000_000_000

        with pytest.raises(Irreconcilable, match="would pass"):
            replayed(aisha)


class TestAnyLife:
    @given(acts=acts)
    def test_is_replayed_to_the_credit(self, acts):
        aisha = Original().professional()
        live(aisha, acts)

        history = replayed(aisha)

        assert broken(history) == []
        assert history.adjusted == []
        assert (history.free, history.paid) == (aisha.free, aisha.paid)
        assert history.is_chained
        assert sum(history.left.values()) == sum(
            lot["remainingAmount"] for lot in aisha.lots if "expiresAt" in lot
        )

    @given(acts=acts, data=st.data())
    def test_with_any_number_wrong_still_ends_at_the_balance(self, acts, data):
        aisha = Original().professional()
        live(aisha, [("bonus", 100), *acts])
        for _ in range(data.draw(st.integers(1, 3))):
            document = data.draw(st.sampled_from([aisha.balance, *aisha.transactions]))
            names = ["amount", "remainingAmount", "freeCredits", "paidCredits"]
            name = data.draw(st.sampled_from([name for name in names if name in document]))
            wrong = data.draw(st.integers(1, 300))
            if name == "amount" and document[name] < 0:
                wrong = -wrong
            lot = document.get("expiresAt")
            if name == "remainingAmount" and lot:
                wrong = min(wrong, document["amount"])
            document[name] = wrong
            if name == "amount" and lot:
                document["remainingAmount"] = min(wrong, document["remainingAmount"])

        history = replayed(aisha)

        assert broken(history) == []
        assert (history.free, history.paid) == (
            aisha.balance["freeCredits"],
            aisha.balance["paidCredits"],
        )

    @given(acts=acts, data=st.data())
    def test_with_a_document_lost_still_ends_at_the_balance(self, acts, data):
        aisha = Original().professional()
        live(aisha, [("bonus", 100), *acts])
        lost = data.draw(st.sampled_from(aisha.transactions))
        aisha.original.credittransactions.remove(lost)

        history = replayed(aisha)

        assert broken(history) == []
        assert (history.free, history.paid) == (aisha.free, aisha.paid)
