"""The settings of runs, evaluations and pictures; each setting is one flag."""
