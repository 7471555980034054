"""
The floors: what a work writes, as single raw statements in one database transaction.

Same rows, same columns, through all indexes, constraints and triggers. Nothing here can be stopped
and gone on with, nobody is blamed for a bad row, and everybody who spends meanwhile waits.
"""

from benchmarks.seeding import FEW_DUE, MORE_DUE, WARNED, moment

NOTICE_COLUMNS = """
    INSERT INTO credits_notice (kind, key, professional_id, run_id, context, address, language,
        status, reason, attempts, next_attempt_at, message_id, created_at)
"""

RESET = (
    """
    UPDATE credits_creditbalance SET free_before_reset = free_credits, free_credits = 100,
        lifetime_earned = lifetime_earned
            + CASE WHEN free_credits < 100 THEN 100 - free_credits ELSE 0 END,
        lifetime_expired = lifetime_expired
            + CASE WHEN free_credits > 100 THEN free_credits - 100 ELSE 0 END,
        last_reset_period = '2026-11', last_reset_date = {as_of}, claimed_by_id = 2
    WHERE last_reset_period < '2026-11' AND professional_id IN (SELECT id FROM homezy_user
        WHERE role = 'pro' AND verification IN ('basic', 'comprehensive') AND is_active)
    """,
    """
    INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
        granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
        currency, idempotency_key, run_id, created_at)
    SELECT professional_id, 'monthly_reset', 'free', 100 - free_before_reset, 0, 0,
        free_before_reset + paid_credits, free_credits + paid_credits,
        'Monthly free credits reset to 100', {json}('previous_free_credits', free_before_reset),
        '', 'reset:2026-11:' || professional_id, 1, {as_of}
    FROM credits_creditbalance WHERE claimed_by_id = 2 ORDER BY professional_id
    """,
    f"""
    {NOTICE_COLUMNS}
    SELECT 'reset', 'reset:2026-11:' || professional_id, professional_id, 1,
        {{json}}('before', free_before_reset, 'after', free_credits, 'period', '2026-11'), '', '',
        'pending', '', 0, {{as_of}}, '', {{as_of}}
    FROM credits_creditbalance
    WHERE claimed_by_id = 2 AND free_before_reset <> free_credits ORDER BY professional_id
    """,
)

EXPIRY = (
    """
    INSERT INTO credits_credittransaction (professional_id, transaction_type, credit_type, amount,
        granted_amount, remaining_amount, balance_before, balance_after, description, metadata,
        currency, origin_id, run_id, created_at)
    SELECT professional_id, 'expiry', 'paid', -remaining_amount, 0, 0,
        total - fallen + remaining_amount, total - fallen, 'Credits expired',
        {json}('lot', id), '', id, 1, {as_of}
    FROM (SELECT t.professional_id, t.id, t.remaining_amount,
            b.free_credits + b.paid_credits AS total,
            SUM(t.remaining_amount)
                OVER (PARTITION BY t.professional_id ORDER BY t.expires_at, t.id) AS fallen
        FROM credits_credittransaction t
        JOIN credits_creditbalance b ON b.professional_id = t.professional_id
        WHERE t.remaining_amount > 0 AND t.expires_at <= {as_of}) due
    ORDER BY professional_id, id
    """,
    """
    INSERT INTO credits_creditallocation (lot_id, transaction_id, amount, price)
    SELECT t.origin_id, t.id, t.amount, -lot.remaining_price
    FROM credits_credittransaction t JOIN credits_credittransaction lot ON lot.id = t.origin_id
    WHERE t.transaction_type = 'expiry'
    """,
    """
    UPDATE credits_creditbalance SET paid_credits = paid_credits - lost,
        lifetime_expired = lifetime_expired + lost
    FROM (SELECT professional_id AS owner, SUM(remaining_amount) AS lost
        FROM credits_credittransaction WHERE remaining_amount > 0 AND expires_at <= {as_of}
        GROUP BY professional_id) due
    WHERE professional_id = owner
    """,
    """
    UPDATE credits_credittransaction SET remaining_amount = 0, remaining_price = 0
    WHERE remaining_amount > 0 AND expires_at <= {as_of}
    """,
    f"""
    {NOTICE_COLUMNS}
    SELECT 'expiry_receipt', 'expiry_receipt:1:' || professional_id, professional_id, 1,
        {{json}}('credits', -SUM(amount), 'lots', COUNT(*)), '', '',
        'pending', '', 0, {{as_of}}, '', {{as_of}}
    FROM credits_credittransaction WHERE transaction_type = 'expiry' GROUP BY professional_id
    """,
)

WARNINGS = (
    f"""
    {NOTICE_COLUMNS}
    SELECT 'expiry_warning', 'expiry_warning:' || day || ':7:' || professional_id,
        professional_id, NULL, {{json}}('day', day, 'lead', 7, 'credits', SUM(remaining_amount)),
        '', '', 'pending', '', 0, {{as_of}}, '', {{as_of}}
    FROM (SELECT professional_id, remaining_amount, {{day}} AS day
        FROM credits_credittransaction
        WHERE remaining_amount > 0 AND expires_at > {{as_of}} AND expires_at < {{until}}) losing
    GROUP BY professional_id, day
    """,
)

RESET_NOTICES = (
    f"""
    {NOTICE_COLUMNS}
    SELECT 'reset', 'reset:2026-10:' || professional_id, professional_id, 1,
        {{json}}('before', free_before_reset, 'after', free_credits, 'period', '2026-10'), '', '',
        'pending', '', 0, {{as_of}}, '', {{as_of}}
    FROM credits_creditbalance WHERE claimed_by_id = 1 AND free_before_reset <> free_credits
    """,
)

# Columns that no index holds, so that the rows themselves are read, each once.
SCANS = (
    "SELECT SUM(balance_before), SUM(balance_after) FROM credits_credittransaction",
    "SELECT SUM(amount), SUM(price) FROM credits_creditallocation",
    "SELECT SUM(free_credits), SUM(paid_credits) FROM credits_creditbalance",
    "SELECT SUM(success_count) FROM credits_jobrun",
    "SELECT COUNT(error) FROM credits_jobfailure",
    "SELECT SUM(amount) FROM credits_monthlytotal",
)

WORKS = {
    "reset": (RESET, FEW_DUE),
    "expiry-1": (EXPIRY, FEW_DUE),
    "expiry-5": (EXPIRY, MORE_DUE),
    "warnings": (WARNINGS, WARNED),
    "reset-notices": (RESET_NOTICES, FEW_DUE),
    "verify": (SCANS, FEW_DUE),
}


def statements(work: str, key: str) -> list[str]:
    """Return a floor in the words of an engine."""
    is_sqlite = key == "sqlite"
    texts, as_of = WORKS[work]
    words = {
        "json": "json_object" if is_sqlite else "jsonb_build_object",
        "day": (
            "SUBSTR(expires_at, 1, 10)"
            if is_sqlite
            else "TO_CHAR(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
        ),
        "as_of": moment(key, as_of),
        "until": moment(key, "2027-03-03 08:00:00"),
    }
    return [text.format(**words) for text in texts]
