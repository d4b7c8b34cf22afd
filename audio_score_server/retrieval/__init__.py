"""Which of many clips a recording may say: values in, values out."""
