"""Public benchmarks of spatial vision-language models, scored on a local copy by their own rules. Nothing is downloaded."""
