"""Models behind the chat protocol of OpenAI: one request within a time-out, its text or a named error."""
