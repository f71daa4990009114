"""How faithful a world is to its source: both drawn from the same cameras, and compared."""
