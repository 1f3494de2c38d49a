"""A closed loop by wrk (Debian's package), which takes less of the processors than clients in Python."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.question import Answered, Question

# wrk's own threads; a service on the same machine needs the rest.
THREADS = 2
# A request is a whole one: what is before and after the number at PLACE comes from files.
SCRIPT = """
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local function content(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(arguments)
  before, after = content(arguments[1]), content(arguments[2])
  new, run, made = tonumber(arguments[3]), tonumber(arguments[4]), 0
  math.randomseed(run + number)
  same = before .. arguments[5] .. after
end

function request()
  if math.random() >= new then return same end
  made = made + 1
  return before .. string.format("%02d%06d%08d", number, run, made) .. after
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local form = '\\n{"requests": %d, "seconds": %f, "status": %d, "failed": %d, "p50": %f, "p99": %f}'
  io.write(string.format(form, summary.requests, summary.duration / 1e6, errors.status, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def closed_loop(question: Question, *, clients: int, seconds: float) -> Answered:
    """What that many clients get; percentiles are of all answers, refusals included."""
    with tempfile.TemporaryDirectory() as folder:
        script, before, after = (Path(folder) / name for name in ("script.lua", "before", "after"))
        script.write_text(SCRIPT)
        for path, half in zip((before, after), question.halves, strict=True):
            path.write_bytes(half)
        run = time.time_ns() % 1_000_000  # so that the numbers are new in this run too
        values = (before, after, question.new, run, question.place.decode())
        command = ["wrk", "--threads", min(THREADS, clients), "--connections", clients]
        command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "60s", "--script", script]
        command += [f"http://127.0.0.1:{question.port}", "--", *values]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return Answered(
        per_second=(said["requests"] - said["status"]) / said["seconds"],
        p50_ms=said["p50"],
        p99_ms=said["p99"],
        failed=said["failed"],
    )
