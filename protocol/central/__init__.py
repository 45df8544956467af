"""The contract between a unit and the centre: entries, their chain, receipts, topics, codes."""
