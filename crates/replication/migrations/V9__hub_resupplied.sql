-- Entries that came from somebody else than their author, or without their place in the author's order,
-- until their author names it.
CREATE TABLE resupplied (
    entry INTEGER PRIMARY KEY REFERENCES entry (no)
) STRICT;
