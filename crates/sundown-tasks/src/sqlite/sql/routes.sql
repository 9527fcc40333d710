-- Only processes that want its route claim a task. Empty: all that want its kind.
ALTER TABLE task ADD COLUMN route TEXT NOT NULL DEFAULT '';
DROP INDEX task_ready;
CREATE INDEX task_ready ON task(kind, route, priority DESC) WHERE state = 0 AND ready = 1;

-- What each process claims. It counts for as long as its owner is known.
CREATE TABLE serving (
    owner INTEGER NOT NULL,
    kind TEXT NOT NULL,
    route TEXT NOT NULL,
    PRIMARY KEY (owner, kind, route)
) STRICT, WITHOUT ROWID;
