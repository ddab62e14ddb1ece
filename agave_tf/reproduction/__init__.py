"""The tables and figures of Lucas & Verbeek 2018, each made by one command."""
