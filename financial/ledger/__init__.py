"""The books: what must be booked (`booking`, pure) and who books it exactly once (`journal`)."""
