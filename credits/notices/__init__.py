"""Notices: promised, composed, handed over, and what became of them."""
