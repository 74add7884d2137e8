"""How good it is: metrics, tables, benchmark files."""
