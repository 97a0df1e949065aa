"""The ground floor: measures patients. Tables in, feature matrices out."""
