"""Questions to expression trees to answers with a trace: by grammar, by a language model, or by asking a model in turns."""
