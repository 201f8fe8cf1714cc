"""Jobs in a database: SQLite on one machine, PostgreSQL for several. `open_store` in `opening` is the way in."""
