"""The PostgreSQL dialect of the store: many processes, on many machines, write at once."""
