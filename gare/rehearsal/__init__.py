"""`gare rehearse`: a real plan carried out where nothing is real. The real systems are read, and never written to."""
