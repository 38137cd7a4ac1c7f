"""The bank's side: statements as files, deposits as rows, and which payout each deposit is."""
