"""From an instruction to steps that are guarded by measured facts."""
