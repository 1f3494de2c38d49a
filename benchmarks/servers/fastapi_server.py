"""FastAPI on uvicorn, one process: the event loop reads the body, a thread of Starlette's pool answers."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from benchmarks.servers.answer import PORT, likeliest, open_classifier

app = FastAPI()
classifier = open_classifier()


@app.post("/classify")
async def classify(request: Request) -> list[dict[str, object]]:
    return await run_in_threadpool(_answer, await request.body())


def _answer(data: bytes) -> list[dict[str, object]]:
    return likeliest(classifier, classifier.classify(data))


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, log_level="warning")
