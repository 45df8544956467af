"""The campaign: every promise of the product, tried for minutes, measured, and written down."""
