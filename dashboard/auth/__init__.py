"""Who uses the dashboard and what that role may do."""
