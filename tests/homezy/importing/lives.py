"""Random lives of a professional, their replay, and the question whether a ledger is sound."""

from collections import Counter
from datetime import timedelta

from hypothesis import strategies as st

from homezy.importing.documents import parse
from homezy.importing.replay import replay

acts = st.lists(
    st.tuples(
        st.sampled_from(
            ["bonus", "buy", "spend", "spend", "spend", "refund", "reset", "expire", "wait"]
        ),
        st.integers(1, 150),
    ),
    max_size=40,
)


def live(professional, acts):
    """Let a professional do what it can of these acts."""
    spends = []
    for act, number in acts:
        if act == "bonus":
            professional.bonus(number)
        elif act == "buy":
            professional.buy(number)
        elif act == "spend" and professional.can_spend(number):
            spends.append(professional.spend(number))
        elif act == "refund" and spends:
            professional.refund(spends[number % len(spends)])
        elif act == "reset":
            professional.reset()
        elif act == "expire":
            professional.expire_next()
        elif act == "wait":
            professional.now += timedelta(hours=5 * number)


def decoded(document):
    """What reading a document gives: ids as text."""
    return {key: str(value) if key == "_id" else value for key, value in document.items()}


def replayed(professional):
    original = professional.original
    purchases = [parse("creditpurchases", decoded(raw)) for raw in original.creditpurchases]
    return replay(
        parse("creditbalances", decoded(professional.balance)),
        [parse("credittransactions", decoded(raw)) for raw in professional.transactions],
        {purchase.id: purchase for purchase in purchases},
    )


def broken(history):
    """What ``verify_credits`` would find, asked of a history."""
    faults, left, total = [], {}, 0
    for place, row in enumerate(history.rows):
        total += row.amount
        if row.granted:
            left[place] = row.granted
        faults += [f"{place}: {fault}" for fault in _faults_of_row(history, row, left)]
        if total < 0:
            faults.append(f"{place}: the total is {total}")
    expired = Counter(row.origin for row in history.rows if row.transaction_type == "expiry")
    faults += [f"lot {lot} expired {count} times" for lot, count in expired.items() if count > 1]
    keys = Counter((row.key, row.credit_type) for row in history.rows if row.key)
    faults += [f"{key} is there {count} times" for key, count in keys.items() if count > 1]
    if left != dict(history.left) or history.free < 0:
        faults.append(f"{left} is left, not {history.left}")
    if history.free + history.paid != total:
        faults.append(f"pools hold {history.free} and {history.paid}, rows {total}")
    return faults


def _faults_of_row(history, row, left):
    if row.credit_type == "free" and (row.draws or row.granted):
        yield "a free row moves lots"
    if row.credit_type == "paid" and row.amount != row.granted + sum(n for _, n in row.draws):
        yield f"{row.amount} is not {row.granted} and {row.draws}"
    if bool(row.granted) != (row.expires_at is not None):
        yield "a lot expires and nothing else does"
    for lot, change in row.draws:
        left[lot] += change
        if not 0 <= left[lot] <= history.rows[lot].granted:
            yield f"lot {lot} holds {left[lot]}"
        if (row.at >= history.rows[lot].expires_at) != (row.transaction_type == "expiry"):
            yield f"lot {lot} is touched at the wrong time"
