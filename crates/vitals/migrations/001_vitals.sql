-- Names stand once; everywhere else they are numbers. A reading of four bytes would otherwise carry
-- fifty bytes of names.
CREATE TABLE vitals_device (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE vitals_patient (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE
) STRICT;

-- A batch that was answered. The key is a hash of the device and the batch's name; the receipt
-- holds runs of outcomes.
CREATE TABLE vitals_batch (
    key BLOB PRIMARY KEY,
    body_sha256 BLOB NOT NULL,
    received_at_ns INTEGER NOT NULL,
    outcomes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Sums over all batches, kept in one row because counting would read everything.
CREATE TABLE vitals_total (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    batches INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    rejected INTEGER NOT NULL
) STRICT;

INSERT INTO vitals_total VALUES (1, 0, 0, 0, 0, 0);

-- Accepted readings that no segment holds yet: one row per batch and patient, in columns. Appended
-- at the end of the table, so that a hundred devices share a few pages.
CREATE TABLE vitals_tail (
    no INTEGER PRIMARY KEY,
    device_no INTEGER NOT NULL,
    patient_no INTEGER NOT NULL,
    min_time_ns INTEGER NOT NULL,
    max_time_ns INTEGER NOT NULL,
    received_at_ns INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    columns BLOB NOT NULL
) STRICT;

-- Answers what is open, since when, and which rows a span of time meets, without the rows.
CREATE INDEX vitals_tail_group ON vitals_tail
    (device_no, patient_no, max_time_ns, min_time_ns, received_at_ns, readings);

-- The span of time of each segment that was sealed here, to find repeats of its readings.
CREATE TABLE vitals_span (
    device_no INTEGER NOT NULL,
    patient_no INTEGER NOT NULL,
    max_time_ns INTEGER NOT NULL,
    min_time_ns INTEGER NOT NULL,
    entry BLOB NOT NULL,
    readings INTEGER NOT NULL,
    PRIMARY KEY (device_no, patient_no, max_time_ns, entry)
) STRICT, WITHOUT ROWID;

-- Readings that could be read but are not trusted, for a person to look at.
CREATE TABLE vitals_quarantine (
    no INTEGER PRIMARY KEY,
    device_no INTEGER NOT NULL,
    batch_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    received_at_ns INTEGER NOT NULL,
    patient TEXT NOT NULL,
    code INTEGER NOT NULL,
    unit TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    value TEXT NOT NULL,
    sequence TEXT NOT NULL
) STRICT;
