"""What the measured programs have in common: get ready, say so, wait for the word, work, tell what came of it.

Runs under any Python 3.11, ours or the peers', so it imports nothing. Getting ready (imports, models, and what else the program keeps
out of the time) is not measured; the work is, from opening the text to the last file closed.
"""

import json
import os
import sys
import time
from collections.abc import Callable

# The work, and a question for afterwards, when the clock has stopped: the perplexities, in the documents' order, [] where none are asked for.
Work = tuple[Callable[[], None], Callable[[], list[float]]]


def measured(ready: Callable[[dict], Work]) -> None:
    """`ready` gets the arguments (JSON, the first of the command line); what the work puts into their `notes` is told with the time."""
    arguments = json.loads(sys.argv[1])
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the libraries print goes to the log
    work, perplexities = ready(arguments)
    answer.write("ready\n")
    answer.flush()
    sys.stdin.readline()
    start, worked = time.perf_counter(), sum(os.times()[:4])
    work()
    seconds, worked = time.perf_counter() - start, sum(os.times()[:4]) - worked  # its own and its children's
    facts = {"seconds": seconds, "processor_seconds": worked, "notes": arguments.get("notes", {}), "perplexities": perplexities()}
    answer.write(json.dumps(facts) + "\n")
    answer.flush()
