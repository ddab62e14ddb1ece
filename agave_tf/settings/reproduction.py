"""The names of the tables and figures that bin/reproduce.py makes."""

# Lucas & Verbeek 2018, section 4, and five of our own. reproduction/artifacts.py has
# the function of each.
ARTIFACT_NAMES = (
    *("table1", "figure2", "figure3", "figure4", "figure5", "figure6", "figure7"),
    *("figure8", "figure9"),
    *("baselines", "probe", "training_length", "training_time", "learning_curves"),
)
