-- +goose Up

-- What is kept. Revision numbers have no gaps; those before the oldest row were pruned.
CREATE TABLE revision (
    revision  INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL, -- Unix ms
    added     INTEGER NOT NULL, -- facts
    removed   INTEGER NOT NULL, -- facts
    renewed   INTEGER NOT NULL, -- readings
    last_fact INTEGER NOT NULL, -- greatest fact.n so far
    facts     INTEGER NOT NULL, -- that hold in this revision
    changes   INTEGER NOT NULL  -- since the first revision: how far it is to replay
);

-- Names of attributes and relations. The program numbers them otherwise; these numbers are the file's own.
CREATE TABLE word (
    n    INTEGER PRIMARY KEY,
    word TEXT NOT NULL UNIQUE
);

CREATE TABLE node (
    n    INTEGER PRIMARY KEY,
    kind TEXT    NOT NULL,
    id   TEXT    NOT NULL,
    mark INTEGER NOT NULL -- hash of kind and id
);
CREATE INDEX node_mark ON node (mark);

CREATE TABLE reading (
    n       INTEGER PRIMARY KEY,
    device  TEXT    NOT NULL,
    source  TEXT    NOT NULL,
    "table" TEXT    NOT NULL,
    partial INTEGER NOT NULL,
    UNIQUE (device, source, "table", partial)
);

-- A fact holds from from_rev up to, and without, to_rev; NULL: to this day.
CREATE TABLE fact (
    n          INTEGER PRIMARY KEY, -- ascends with from_rev, and is never used again
    node       INTEGER NOT NULL,    -- the subject
    word       INTEGER NOT NULL,
    value      ANY,                 -- of an attribute: a number, or canonical text
    peer       INTEGER,             -- of a relation: the object, a node
    reading    INTEGER NOT NULL,
    derived    INTEGER NOT NULL,
    confidence INTEGER NOT NULL,    -- 1 to 100
    since      INTEGER NOT NULL,    -- Unix s; 0: not known
    mark       INTEGER NOT NULL,    -- hash of all that makes it the same statement
    from_rev   INTEGER NOT NULL,
    to_rev     INTEGER
) STRICT;
CREATE INDEX fact_node ON fact (node, mark, to_rev);
CREATE INDEX fact_ended ON fact (to_rev) WHERE to_rev IS NOT NULL;

-- The readings that a revision renewed or forgot, packed: ages change in every sweep, so they are most of the history.
CREATE TABLE look (
    revision INTEGER PRIMARY KEY,
    data     BLOB NOT NULL
);

-- Whole snapshots, from which later revisions are replayed.
CREATE TABLE checkpoint (
    revision  INTEGER PRIMARY KEY,
    last_fact INTEGER NOT NULL,
    changes   INTEGER NOT NULL
);
CREATE TABLE part (
    revision INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    data     BLOB    NOT NULL,
    UNIQUE (revision, part)
);

-- For people: what was said when, in words.
CREATE VIEW history AS
SELECT s.kind || ':' || s.id AS subject, w.word AS word, coalesce(f.value, o.kind || ':' || o.id) AS value,
       f.confidence AS confidence, f.derived AS derived, r.source AS source, r.device AS device, r."table" AS "table",
       datetime(nullif(f.since, 0), 'unixepoch') AS since, f.from_rev AS from_rev, f.to_rev AS to_rev
FROM fact f JOIN node s ON s.n = f.node LEFT JOIN node o ON o.n = f.peer
     JOIN word w ON w.n = f.word JOIN reading r ON r.n = f.reading;
