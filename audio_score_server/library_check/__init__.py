"""What is wrong with a library of clips, told before anybody performs them."""
