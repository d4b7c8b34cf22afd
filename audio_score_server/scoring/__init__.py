"""From a reference and an encoding to a score: values in, values out, nothing else."""
