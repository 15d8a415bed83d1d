-- The schema of the SQLite store in PostgreSQL's words: one table of jobs, one dense journal per tree, small tables.
-- What moves often has room on its page (fillfactor) and stands in as few indexes as can be: partial ones, mostly.
-- Ids come from a sequence, because many processes write at once, and documents carry their words with them.

create table meta(key text primary key, value text not null);
create sequence job_id;

create table job(
  id bigint primary key, root_id bigint not null, kind text not null,
  parent_id bigint, step_id bigint, name text, key text, tags text, priority integer not null default 0,
  payload bytea not null default '{}', created_at bigint not null default 0, max_attempts integer not null default 3,
  timeout bigint not null default 0, lane_id bigint not null default 0, limit_id bigint, step_limit_id bigint,
  spawner_id bigint, is_step smallint not null default 0, depth integer not null default 0,
  status smallint not null default 0 check (status between 0 and 5), ready smallint not null default 0,
  run_at bigint not null default 0, blocked_by integer not null default 0 check (blocked_by >= 0), owner bigint,
  epoch integer not null default 0, round integer not null default 1, attempt integer not null default 0,
  losses integer not null default 0, started_at bigint not null default 0, finished_at bigint not null default 0,
  lines bigint not null default 0, first_seq bigint not null default 0, last_seq bigint not null default 0,
  version bigint not null default 0, result bytea, error bytea, progress bytea, counts bytea,
  cancel_requested smallint not null default 0, reason text, sealed smallint not null default 0,
  own_failed smallint not null default 0, has_dependents smallint not null default 0,
  is_branch smallint not null default 0, journal_head bigint not null default 0,
  warnings integer not null default 0, excused integer not null default 0, tolerated integer not null default 0,
  failure_action text, on_error text, retried smallint not null default 0, definition text,
  tree_timeout bigint not null default 0, deadline bigint not null default 0, cancelling text,
  journal_oldest bigint not null default 1, purging smallint not null default 0,
  n_pending integer not null default 0, n_running integer not null default 0, n_waiting integer not null default 0,
  n_completed integer not null default 0, n_failed integer not null default 0, n_cancelled integer not null default 0,
  b_pending integer not null default 0, b_running integer not null default 0, b_waiting integer not null default 0,
  b_completed integer not null default 0, b_failed integer not null default 0, b_cancelled integer not null default 0,
  -- the state rules once more: what runs is owned; what is owned is reserved or runs; what is ready is free
  check (status <> 1 or owner is not null),
  check (owner is null or status in (0, 1)),
  check (ready = 0 or (status = 0 and owner is null and blocked_by = 0)),
  check (attempt <= max_attempts),
  check (n_pending >= 0 and n_running >= 0 and n_waiting >= 0 and n_completed >= 0 and n_failed >= 0 and n_cancelled >= 0)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
create index job_ready on job(lane_id, id) where ready = 1;
create index job_child on job(parent_id, id) where parent_id is not null;
create index job_root on job(id) where parent_id is null;
create index job_failed on job(root_id, id) where status = 4;
create index job_owned on job(owner) where owner is not null;
create index job_due on job(run_at) where status = 0 and ready = 0 and owner is null and blocked_by = 0 and run_at > 0;
create unique index job_key on job(root_id, key) where key is not null and parent_id is not null;
create unique index job_root_key on job(kind, key) where key is not null and parent_id is null and status < 3;
create index job_cancelling on job(id) where cancelling is not null;
create index job_deadline on job(deadline) where deadline > 0 and status < 3;
create index job_purging on job(id) where purging = 1;
create index job_closed on job(finished_at) where parent_id is null and status >= 3;
create index job_step on job(root_id, id) where is_step = 1;
create index job_waiting on job(id) where status = 2;
create index job_tagged on job(id) where tags is not null and parent_id is null;
create index job_definition on job(definition, id) where definition is not null;

-- where ready jobs queue; roots share lanes of their own (root_id 0), so a tree of one job costs no lane
create table lane(
  id bigint primary key, priority integer not null, kind text not null, root_id bigint not null,
  step_id bigint, limit_id bigint, step_limit_id bigint,
  rests_on bigint,  -- the limit that holds it back; see storage/resting.py
  n_ready integer not null default 0 check (n_ready >= 0), turn bigint not null default 0
) with (fillfactor = 50);
create index lane_of_root on lane(root_id, limit_id);
create index lane_of_limit on lane(limit_id) where limit_id is not null;
create index lane_ready on lane(kind, priority desc, turn) where n_ready > 0 and rests_on is null;
create index lane_ready_of_root on lane(root_id, priority desc, turn) where n_ready > 0 and rests_on is null;
create index lane_resting on lane(rests_on, kind, priority desc, turn) where n_ready > 0 and rests_on is not null;
create table turn(priority integer primary key, passed bigint not null) with (fillfactor = 20);

create table limits(
  id bigint generated always as identity primary key, key text not null unique, at_once integer not null,
  apart bigint not null default 0, in_use integer not null default 0 check (in_use >= 0),
  next_at bigint not null default 0  -- the earliest next start; 0 once what rested until then was woken
) with (fillfactor = 50);
create index limits_apart on limits(next_at) where next_at > 0;

create table dependency(waits_for bigint not null, job_id bigint not null, primary key (waits_for, job_id));
create index dependency_of_job on dependency(job_id);

create table worker(
  id bigint generated always as identity primary key, identity text not null unique, host text not null,
  pid integer not null, started_at bigint not null, lease_until bigint not null, state text not null,
  kinds text not null default '[]'
);
create table kind(
  kind text primary key, sort integer not null, max_attempts integer not null, timeout bigint not null,
  schema text not null, seen_at bigint not null
);

create table block(id bigint generated always as identity primary key, refs integer not null, data bytea not null);
alter table block alter column data set storage external;  -- compressed already
create table run(
  root_id bigint not null, first bigint not null, last bigint not null, block_id bigint not null,
  t0 bigint not null, t1 bigint not null, levels integer not null, primary key (root_id, first)
);

create table error_group(
  root_id bigint not null, fingerprint text not null, message text not null, count bigint not null,
  first_at bigint not null, last_at bigint not null, examples text not null, primary key (root_id, fingerprint)
);

create table document(
  id bigint generated always as identity primary key, job_id bigint not null, root_id bigint not null,
  url text not null, title text not null, text text not null, fields text not null, truncated smallint not null,
  at bigint not null,
  words tsvector generated always as (to_tsvector('simple',  -- of the first 200,000 characters, accents left out
    regexp_replace(normalize(title || ' ' || left(text, 200000), NFD), U&'[\0300-\036F]', '', 'g'))) stored
);
create index document_of_root on document(root_id, id);
create index document_of_job on document(job_id);
create index document_words on document using gin(words);

create table counter(
  writer text primary key, pending bigint not null, running bigint not null, waiting bigint not null,
  completed bigint not null, failed bigint not null, cancelled bigint not null
) with (fillfactor = 50);
create table throughput(
  second bigint not null, writer text not null, closed bigint not null, primary key (second, writer)
) with (fillfactor = 50);

create table latency(
  second bigint not null, writer text not null, bucket integer not null, n bigint not null, most bigint not null,
  primary key (second, writer, bucket)
) with (fillfactor = 50);

create table definition(
  id text primary key, name text not null, source text not null, body text not null, enabled smallint not null,
  schedule text not null, next_at bigint not null default 0, problem text, updated_at bigint not null
);

create table idempotency(key text primary key, ids text not null, at bigint not null);
create index idempotency_at on idempotency(at);

create table subscriber(name text not null, event text not null, seen_at bigint not null, primary key (name, event));
create table delivery(
  id bigint generated always as identity primary key, subscriber text not null, root_id bigint not null,
  event bytea not null, attempts integer not null default 0, due_at bigint not null default 0, owner bigint
);
create index delivery_queue on delivery(subscriber, root_id, id);
create index delivery_owned on delivery(owner) where owner is not null;

-- Who may call. Of secrets only hashes are kept; a session is a browser's, and ends with the token it was given for.
create table token(
  id text primary key, digest bytea not null, name text not null, access integer not null check (access between 1 and 4),
  created_at bigint not null, expires_at bigint not null default 0, revoked_at bigint not null default 0,
  used_at bigint not null default 0
);
create table session(
  id text primary key, digest bytea not null, token_id text not null, created_at bigint not null,
  expires_at bigint not null
);
create index session_of_token on session(token_id);
create table audit(
  id bigint generated always as identity primary key, at bigint not null, who text not null, address text not null,
  action text not null, target text not null, status integer not null
);
create index audit_at on audit(at);

-- The first of n consecutive ids, above every id ever given. A sequence does not roll back, so nobody waits for the
-- commit of another; the lock is held for the length of the call.
create function take_ids(n bigint) returns bigint language plpgsql as $$
declare
  first bigint;
begin
  perform pg_advisory_lock(7095313245571);
  first := nextval('job_id');
  if n > 1 then
    perform setval('job_id', first + n - 1);
  end if;
  perform pg_advisory_unlock(7095313245571);
  return first;
end $$;

-- Tree 0 keeps the service log. It is hidden from every list of jobs.
insert into job(id, root_id, kind, status, is_branch) values(0, 0, 'service', 2, 1);
