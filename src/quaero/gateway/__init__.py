"""How the world sees the jobs: the HTTP side of Quaero. It serves viewers and accepts requests; it never runs jobs."""
