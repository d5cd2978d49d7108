"""What is true: campaign, records, journal and the paths of a run. Knows no torch, no Claude, no tree."""
