"""Sample data: a small publisher's account, made up, in Stripe's shapes; loaded by the road real data takes.

`catalog` is what is sold, `shapes` how Stripe writes it, `story` what happened, `load` puts it into the mirror and the
books. Nothing here asks Stripe.
"""
