"""The command line. Small: each command parses, asks the store or the program, and prints."""
