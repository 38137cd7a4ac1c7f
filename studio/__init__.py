"""The ready-to-run site around the app `financial`."""
