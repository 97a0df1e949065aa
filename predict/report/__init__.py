"""Reports for people: one self-contained HTML page per patient or per cohort, and the figures in it."""
