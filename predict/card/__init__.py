"""The model card: what a model is for, what it rests on, how well it did, and what only a person can say of it."""
