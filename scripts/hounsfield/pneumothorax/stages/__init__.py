"""What the stage programs of this system do once their command line is read, a page each."""
