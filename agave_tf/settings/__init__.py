"""What a run, an evaluation and a picture can be told."""
