"""Proofs of laws for all sizes: encoding, induction, certificates, a second solver. Nothing here knows a modelled system."""
