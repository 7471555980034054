"""What the admin, the commands and the watchers ask of the books: reads only."""
