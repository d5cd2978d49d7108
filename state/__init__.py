"""What is true: campaign, records, journal and the paths of a run."""
