"""Where the tests run: with fake agents in memory, and with real ones."""
