"""The process that runs handlers: `python -m quaero.engine.executor FD`.

It gets tasks over an inherited socket and tells facts back (`engine/protocol.py`). It knows no store, no queue and no
network of ours, so that whatever a handler does to its process, nothing but that process is harmed.

    channel      frames on the socket
    outbox       facts on their way out, batched
    runtime      the tasks at hand, and all a JobContext asks of its process
    loopside     async handlers, many at once on one event loop
    plainside    plain functions, one at a time on the main thread
    capture, streams, descriptors    whatever is written anywhere becomes lines of the job that wrote it
"""
