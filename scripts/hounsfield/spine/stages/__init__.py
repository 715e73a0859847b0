"""What the stages do, once their command line is read."""
