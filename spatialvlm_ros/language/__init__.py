"""Words in and out: names, instructions, questions and sentences."""
