"""What the columns of the database may hold."""
