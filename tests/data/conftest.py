"""Every test of the store and of what is brought into it runs on SQLite and on PostgreSQL."""

from database import on_both

store_url = on_both
