"""What people see and hear of a night while it runs."""
