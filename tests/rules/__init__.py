"""Rules without a database: each test names the rule it holds."""
