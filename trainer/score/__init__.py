"""What came out of a training: metrics and pictures."""
