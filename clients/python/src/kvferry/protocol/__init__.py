"""The messages of kvferry: their types, subjects and limits, and the check of what arrives."""
