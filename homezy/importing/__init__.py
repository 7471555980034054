"""
Bring the original system's four collections in: users, balances, transactions, purchases.

``reading`` and ``live`` find documents, ``documents`` judges each one, ``staging`` sorts them by
account in a file, ``replay`` and ``reconciling`` turn one account into ledger rows without a
database, ``writing`` writes them, ``report`` tells what became of everything; ``importer`` is the
whole way.
"""
