"""HTTP in, one call to the facade or the reports, HTTP out."""
