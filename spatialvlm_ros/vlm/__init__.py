"""Vision-language models behind one interface: ours, any of transformers, any OpenAI-compatible server."""
