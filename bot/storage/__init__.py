"""Jobs in a database: SQLite on one machine, PostgreSQL for several. Start at `opening.open_store`."""
