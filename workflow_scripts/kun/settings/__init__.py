"""The configuration: one pydantic model per section, checked as a whole before any job starts.

The field descriptions are the documentation: config/config.yaml and config/schema.json are written from them (`make config`).
"""
