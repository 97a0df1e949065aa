"""The roof: registry, scoring, explanation, report and command line. Talks to people and machines."""
