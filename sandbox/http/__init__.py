"""The sandbox over HTTP: a thin ASGI app, webhook sending, a control page."""
