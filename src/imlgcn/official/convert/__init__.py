"""One file per published code base: its names and layouts of weights -> those of our heads."""
