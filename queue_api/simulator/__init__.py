"""A simulated DeepCall: the queue API of `people`, `world` and `dialects`, with faults by switch.

    request -> app -> endpoints -> world            (what DeepCall would do)
               app -> control   -> simulation       (what a test or a trainer switches)

It shares no code with `queue_api.client` and `queue_api.calls`, so that both can't be wrong in the same way.
"""
