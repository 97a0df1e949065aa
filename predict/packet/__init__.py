"""The prior-authorisation packet: a payer's criteria held against a patient's tables, beside the prediction."""
