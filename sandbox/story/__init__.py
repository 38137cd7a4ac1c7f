"""Believable accounts: a small publisher's eighteen months, and what happens live."""
