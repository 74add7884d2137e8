"""``spatialvlm doctor``: what is installed, and what a running camera and robot really send, each with what to do about it."""
