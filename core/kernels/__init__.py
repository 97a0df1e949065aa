"""Numba kernels: bare arrays in, bare arrays out. They check nothing and know no medicine."""
