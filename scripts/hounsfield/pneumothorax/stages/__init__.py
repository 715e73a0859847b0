"""The stages of this system, each as it runs once its command line is read."""
