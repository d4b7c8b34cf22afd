"""How near two sounds are, measured by how near other lines are: values in, values out."""
