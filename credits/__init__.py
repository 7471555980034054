"""Credits of a marketplace's professionals: a ledger nobody can edit and the jobs that keep it."""
