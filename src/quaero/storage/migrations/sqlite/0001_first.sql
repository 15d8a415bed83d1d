-- One table of jobs, one dense journal per tree, and the small tables around them.
-- Partial indexes keep what moves often out of every index it is not in.

create table meta(key text primary key, value text not null) without rowid;

create table job(
  id integer primary key, root_id integer not null, kind text not null,
  parent_id integer, step_id integer, name text, key text, tags text, priority integer not null default 0,
  payload blob not null default x'7b7d', created_at integer not null default 0, max_attempts integer not null default 3,
  timeout integer not null default 0, lane_id integer not null default 0, limit_id integer, step_limit_id integer,
  spawner_id integer, is_step integer not null default 0, depth integer not null default 0,
  status integer not null default 0 check (status between 0 and 5), ready integer not null default 0,
  run_at integer not null default 0, blocked_by integer not null default 0 check (blocked_by >= 0), owner integer,
  epoch integer not null default 0, round integer not null default 1, attempt integer not null default 0,
  losses integer not null default 0, started_at integer not null default 0, finished_at integer not null default 0,
  lines integer not null default 0, first_seq integer not null default 0, last_seq integer not null default 0,
  version integer not null default 0, result blob, error blob, progress blob, counts blob,
  cancel_requested integer not null default 0, reason text, sealed integer not null default 0,
  own_failed integer not null default 0, has_dependents integer not null default 0,
  is_branch integer not null default 0, journal_head integer not null default 0,
  warnings integer not null default 0, excused integer not null default 0, tolerated integer not null default 0,
  failure_action text, on_error text, retried integer not null default 0, definition text,
  tree_timeout integer not null default 0, deadline integer not null default 0, cancelling text,
  journal_oldest integer not null default 1, purging integer not null default 0,
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
);
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
create index job_definition on job(definition, id) where definition is not null;
create index job_tagged on job(id) where tags is not null and parent_id is null;

-- where ready jobs queue; roots share lanes of their own (root_id 0), so a tree of one job costs no lane
create table lane(
  id integer primary key, priority integer not null, kind text not null, root_id integer not null,
  step_id integer, limit_id integer, step_limit_id integer,
  rests_on integer,  -- the limit that holds it back; see storage/resting.py
  n_ready integer not null default 0 check (n_ready >= 0), turn integer not null default 0
);
create index lane_of_root on lane(root_id, limit_id);
create index lane_of_limit on lane(limit_id) where limit_id is not null;
create index lane_ready on lane(kind, priority desc, turn) where n_ready > 0 and rests_on is null;
create index lane_ready_of_root on lane(root_id, priority desc, turn) where n_ready > 0 and rests_on is null;
create index lane_resting on lane(rests_on, kind, priority desc, turn) where n_ready > 0 and rests_on is not null;
create table turn(priority integer primary key, passed integer not null);

create table limits(
  id integer primary key, key text not null unique, at_once integer not null, apart integer not null default 0,
  in_use integer not null default 0 check (in_use >= 0),
  next_at integer not null default 0  -- the earliest next start; 0 once what rested until then was woken
);
create index limits_apart on limits(next_at) where next_at > 0;

create table dependency(waits_for integer not null, job_id integer not null, primary key (waits_for, job_id)) without rowid;
create index dependency_of_job on dependency(job_id);

create table worker(
  id integer primary key, identity text not null unique, host text not null, pid integer not null,
  started_at integer not null, lease_until integer not null, state text not null, kinds text not null default '[]'
);
create table kind(
  kind text primary key, sort integer not null, max_attempts integer not null, timeout integer not null,
  schema text not null, seen_at integer not null
) without rowid;

create table block(id integer primary key, refs integer not null, data blob not null);
create table run(
  root_id integer not null, first integer not null, last integer not null, block_id integer not null,
  t0 integer not null, t1 integer not null, levels integer not null, primary key (root_id, first)
) without rowid;

create table error_group(
  root_id integer not null, fingerprint text not null, message text not null, count integer not null,
  first_at integer not null, last_at integer not null, examples text not null, primary key (root_id, fingerprint)
) without rowid;

create table document(
  id integer primary key, job_id integer not null, root_id integer not null, url text not null, title text not null,
  text text not null, fields text not null, truncated integer not null, at integer not null
);
create index document_of_root on document(root_id, id);
create index document_of_job on document(job_id);
create virtual table document_text using fts5(title, text, content='document', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
create trigger document_kept after insert on document begin
  insert into document_text(rowid, title, text) values(new.id, new.title, new.text);
end;
create trigger document_gone after delete on document begin
  insert into document_text(document_text, rowid, title, text) values('delete', old.id, old.title, old.text);
end;

create table counter(
  writer text primary key, pending integer not null, running integer not null, waiting integer not null,
  completed integer not null, failed integer not null, cancelled integer not null
) without rowid;
create table throughput(
  second integer not null, writer text not null, closed integer not null, primary key (second, writer)
) without rowid;

create table definition(
  id text primary key, name text not null, source text not null, body text not null, enabled integer not null,
  schedule text not null, next_at integer not null default 0, problem text, updated_at integer not null
) without rowid;

create table idempotency(key text primary key, ids text not null, at integer not null) without rowid;
create index idempotency_at on idempotency(at);

create table subscriber(name text not null, event text not null, seen_at integer not null, primary key (name, event)) without rowid;
create table delivery(
  id integer primary key, subscriber text not null, root_id integer not null, event blob not null,
  attempts integer not null default 0, due_at integer not null default 0, owner integer
);
create index delivery_queue on delivery(subscriber, root_id, id);
create index delivery_owned on delivery(owner) where owner is not null;

-- Who may call. Of secrets only hashes are kept; a session is a browser's, and ends with the token it was given for.
create table token(
  id text primary key, digest blob not null, name text not null, access integer not null check (access between 1 and 4),
  created_at integer not null, expires_at integer not null default 0, revoked_at integer not null default 0,
  used_at integer not null default 0
) without rowid;
create table session(
  id text primary key, digest blob not null, token_id text not null, created_at integer not null, expires_at integer not null
) without rowid;
create index session_of_token on session(token_id);
create table audit(
  id integer primary key, at integer not null, who text not null, address text not null, action text not null,
  target text not null, status integer not null
);
create index audit_at on audit(at);

-- How long jobs waited from ready to start, counted by second, process and bucket: see storage/latency.py.
create table latency(
  second integer not null, writer text not null, bucket integer not null, n integer not null, most integer not null,
  primary key (second, writer, bucket)
) without rowid;

-- Tree 0 keeps the service log. It is hidden from every list of jobs.
insert into job(id, root_id, kind, status, is_branch) values(0, 0, 'service', 2, 1);
