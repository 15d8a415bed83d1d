-- How long jobs waited from ready to start, counted by second, process and bucket: see storage/latency.py.
create table latency(
  second integer not null, writer text not null, bucket integer not null, n integer not null, most integer not null,
  primary key (second, writer, bucket)
) without rowid;
