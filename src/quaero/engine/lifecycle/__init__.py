"""Transaction scripts: everything that changes a job, and the only code that writes a status.

Each script is a plain function over a `Ledger`. It loads what it needs, decides with the rules of `domain`, changes the
records and returns an answer; the store makes it durable. Scripts never wait, never do I/O and never catch each
other's errors, so they are easy to read, to permute in tests and to run many at a time in one commit.
"""
