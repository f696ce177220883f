-- One row per patient that is known here: what the document shows. Empty text is "not known".
CREATE TABLE patient (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL,
    birth_date TEXT NOT NULL,
    sex TEXT NOT NULL,
    phone TEXT NOT NULL,
    -- How many fields have several values for a person to settle.
    conflicts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The numbers that clinics know patients by. One number may name two patients when the same clinic
-- was restored from an old copy; then it names nobody until a person has settled it.
CREATE TABLE patient_ref (
    site BLOB NOT NULL CHECK (length(site) = 16),
    ref TEXT NOT NULL,
    patient BLOB NOT NULL CHECK (length(patient) = 16),
    -- 0 for a number that lost a conflict within one patient; it still leads to the patient.
    shown INTEGER NOT NULL CHECK (shown IN (0, 1)),
    PRIMARY KEY (site, ref, patient)
) STRICT, WITHOUT ROWID;

CREATE INDEX patient_ref_by_patient ON patient_ref (patient);

-- The document with its history; rebuilt from the stored entries when damaged.
CREATE TABLE patient_document (
    patient BLOB NOT NULL PRIMARY KEY CHECK (length(patient) = 16),
    saved BLOB NOT NULL
) STRICT;

-- Changes that arrived before what they build on.
CREATE TABLE patient_pending (
    patient BLOB NOT NULL CHECK (length(patient) = 16),
    change_id BLOB NOT NULL CHECK (length(change_id) = 32),
    actor BLOB NOT NULL CHECK (length(actor) = 16),
    site BLOB NOT NULL CHECK (length(site) = 16),
    payload BLOB NOT NULL,
    PRIMARY KEY (patient, change_id)
) STRICT;
