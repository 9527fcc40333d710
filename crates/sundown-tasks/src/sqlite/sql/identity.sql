-- Tells this store from every other one, for as long as its tasks are kept.
CREATE TABLE store (identity TEXT NOT NULL) STRICT;
INSERT INTO store (identity) VALUES (lower(hex(randomblob(16))));
