"""What is said, and when: words with times, as segments and as subtitles; values in, values out."""
