"""Who is asking, whether they may, and what they did: everything the gate knows about people and programs."""
