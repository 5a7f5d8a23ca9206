"""Small state machines against an oracle that looks only into the users' tables."""
