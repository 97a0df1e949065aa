"""The evidence folder: one YAML per claim, how it is run, and whether what is kept still stands."""
