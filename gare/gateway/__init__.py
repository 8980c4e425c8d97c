"""The station's HTTP API: starts releases of every kind and says where they stand. Decides nothing, runs nothing."""
