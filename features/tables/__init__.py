"""Knowledge as data: gene sets and reference scales; read them with `theracast.features.datasets.load_table`."""
