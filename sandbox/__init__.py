"""A small, stateful, honest Stripe for demos, tests and simulations.

`sandbox.core` is a pure state machine, `sandbox.http` serves it, `sandbox.story` fills
it with believable accounts. Nothing here knows the applications that talk to it.
"""
