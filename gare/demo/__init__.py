"""`gare demo`: a real project, released for real by a real station, in a folder of its own."""
