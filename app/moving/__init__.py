"""How a user moves: frozen records in, frozen records out. No window, no GL, no clock."""
