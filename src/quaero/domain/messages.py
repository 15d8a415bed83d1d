"""The types of messages on the WebSocket that settings may name; what they look like is in `wirestate`."""

DEFAULT_TYPES = (
    "job_status_change",
    "parent_job_progress",
    "job_created",
    "job_spawn",
    "step_progress",
    "refresh_step_events",
    "queue_stats",
    "crawler_job_progress",
)
OLDER_TYPES = (
    "job_update",
    "manager_progress",
    "job_step_progress",
    "job_started",
    "job_completed",
    "job_failed",
    "job_cancelled",
    "refresh_logs",
)
THROTTLED_TYPES = (*DEFAULT_TYPES, *OLDER_TYPES, "snapshot", "map")
