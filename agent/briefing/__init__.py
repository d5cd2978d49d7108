"""What Claude is told: the facts that a prompt is filled with, gathered from the ledger."""
