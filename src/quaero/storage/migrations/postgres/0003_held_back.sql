-- What waits in a tree for its time or for siblings: whoever cancels the tree finds it without walking all of it.

create index job_held_back on job(root_id) where status = 0 and ready = 0 and owner is null;
