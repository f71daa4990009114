"""World files and, later, what to keep of them in memory. No GL, no window."""
