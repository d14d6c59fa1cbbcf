"""Bounds that keep one caller from taking a worker down; the same for every product."""

from __future__ import annotations

MOST_BYTES = 16 * 1024 * 1024
"""Size of a request body."""
MOST_BYTES_HELD = 256 * 1024 * 1024
"""Size of all bodies that a worker holds at a time; the next one gets a 503."""
MOST_PARTS = 500_000
"""Objects and lists in the JSON of a body, braces and brackets within strings included: fifty a row. Each takes some
seventy bytes of memory, for two or three of text."""
MOST_HEAD_BYTES = 64 * 1024
"""Size of a request's line and headers."""
REQUEST_SECONDS = 30.0
"""How long a request may take to arrive, from its first byte to its last."""
LAST_SECONDS = 1.0
"""How long a worker that ends waits for another request of those who are connected to it."""
MOST_ROWS = 10_000
"""Rows, or outcomes, of one request."""
MOST_EXPLAINED = 10
"""Rows of one request whose answers can be explained."""
EXPLAIN_WALKS = 256
"""From made-up rows to an explained one; even, since each order is walked forth and back."""
EXPLAIN_SECONDS = 2.0
"""After which no further walk is begun."""
MOST_EXPLANATIONS = 8
"""Requests that may wait in a worker to be explained; the next one gets a 503 at once."""
SMALL_BYTES = 64 * 1024
"""Bodies up to here are read on the event loop, in less time than it takes to hand them to a thread."""
ROWS_TOGETHER = 256
"""Rows that a version is asked about at once on behalf of several callers; a request of more rows is asked alone."""
TRIALS = 8
"""Batches after which a version is trusted to answer a row as if it had come alone."""
SHORT_SECONDS = 0.003
"""What batches may take on the event loop, on average; longer ones go to threads."""
LAST_BATCHES = 16
"""Of how many batches, about, that average is."""
MOST_IN_THREADS = 256
"""Batches in threads, at most, before one is tried on the event loop again."""
MOST_WAITING = 1024
"""Requests of one product that may wait in a worker; the next one gets a 503 at once."""
MOST_RETRY_SECONDS = 30
"""After which whoever got a 503 is told to try again, at most."""
TIMES_AS_LONG = 4
"""How much longer than the champion's slowest call a challenger's may take before the champion answers in its place."""
TIMES_A_PAUSE = 1.5
"""And how much longer than the longest pause of the champion, which is remembered for much longer."""
LEAST_PATIENCE_SECONDS = 1.0
"""What it is given at least, however quick the champion is."""
FIRST_PATIENCE_SECONDS = 5.0
"""What it is given while nothing is known of the champion's time."""
MOST_PATIENCE_SECONDS = 30.0
"""What it is given at most."""
HANGS_SECONDS = 5.0
"""For how long a call that was given up must stay away until what is not asked meanwhile counts as failures."""
GLANCE_SECONDS = 0.1
"""How often it is seen whether calls of champions get on. Of a machine that stands still, with all who wait, no more
than two of these pass."""
MOST_LATE = 16
"""Calls of champions that may take longer than is usual while others are answered beside them."""
PARTS = 8
"""Into so many those are divided, and asked about again, who share a call that takes longer than is usual."""
SHADOW_BATCHES = 256
"""Answers that may wait to be repeated by a challenger in shadow; more are dropped and counted."""
SHADOW_PER_SECOND = 100.0
"""Rows of one product that a worker gives to a challenger in shadow; of more it gives so many, and counts the rest. A
release is decided by some hundred; what disturbs more than a hundredth of the time is seen in the p99 of the others."""
SHADOW_AT_ONCE = 100.0
"""Rows that it gives at once after a pause: a second's, since what the challenger does with them takes processors from
those who are answered then."""
CONTROL_SECONDS = 3.0
"""How often a worker asks the champion before what it has just asked the one on probation: twenty calls a minute tell
how long it takes now."""
CONTROL_SHARE = 0.005
"""The part of the time that this may take at the most: a batch waits for it, and it is to be felt in no p99."""
ROUTING_SECONDS = 0.1
"""How often a worker looks whether a routing record was replaced."""
MEMORY_SECONDS = 2.0
"""How often a worker tells how much memory it holds."""
RETRY_SECONDS = 5.0
"""How long a worker waits before it tries once more to load a version that it could not load."""
THREADS = 4
"""Requests of one worker that are worked on at a time; others wait their turn.

More do not answer faster, since they share one interpreter; fewer would let a slow sync or a slow model hold up the
probes and the other callers. Measured, a hop to a thread and back costs less than the noise of a request."""
