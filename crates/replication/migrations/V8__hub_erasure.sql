-- What an operator had erased, and why. Not part of the order, which every clinic gets.
CREATE TABLE erase_request (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    what TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which node said that it carried an order out; its signed entry is in the ledger.
CREATE TABLE erase_receipt (
    id BLOB NOT NULL CHECK (length(id) = 16),
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    erased INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    PRIMARY KEY (id, node)
) STRICT, WITHOUT ROWID;
