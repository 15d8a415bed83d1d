-- Where gateways of a store that many machines share are reached: one row per process start, seen anew while it serves.

create table gateway(
  instance text primary key, url text not null, host text not null, seen_at bigint not null
);
