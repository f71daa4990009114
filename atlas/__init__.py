"""World addresses, bitmaps, precision, chunk packing, levels and the page-table model. NumPy only."""
