"""The company and its franchises."""
