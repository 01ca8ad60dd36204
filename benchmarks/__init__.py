"""The race: Ekiben against what one would write instead, in one run on one machine."""
