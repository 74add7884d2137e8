"""Images into spatial questions with answers, stage by stage, each pair with the numbers it comes from."""
