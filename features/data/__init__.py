"""Small real cohorts, one folder each; read them with `theracast.features.datasets`."""
