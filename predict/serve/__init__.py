"""The service: one model behind HTTP, for patients one by one. Nothing of a patient is written anywhere."""
