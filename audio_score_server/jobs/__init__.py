"""Work that takes longer than a request may: kept in files, done by whichever worker is free."""
