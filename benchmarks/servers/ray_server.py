"""Ray Serve: its proxy, and a replica a processor behind it."""

from __future__ import annotations

from ray import serve
from starlette.requests import Request

from benchmarks.servers.answer import PORT, PROCESSES, likeliest, open_classifier


@serve.deployment(num_replicas=PROCESSES, ray_actor_options={"num_cpus": 0.5})
class Classifier:
    def __init__(self) -> None:
        self.classifier = open_classifier()

    async def __call__(self, request: Request) -> list[dict[str, object]]:
        # Each replica has one request in work: there is nothing that its event loop would wait for.
        return likeliest(self.classifier, self.classifier.classify(await request.body()))


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Classifier.bind(), blocking=True)
