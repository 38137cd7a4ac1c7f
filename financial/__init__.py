"""Financial: a Stripe account mirrored, booked and shown by Django."""
