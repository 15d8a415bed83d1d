"""The chaos harness: real processes of Quaero under faults, and the checks that must hold afterwards.

jobs      the application under test: every handler leaves marks of what it did
marks     the marks, written by handlers and read by checks
system    supervisors and everything below them: start, find, kill, stop
workload  trees of three levels, cancelled and retried while they run
verdict   what must be true once all is quiet
"""
