"""A run with rejects, and replays of it, in this process against a real sandbox."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import orjson

from ingest.build import RunOptions
from ingest.build.origin import Recalled
from ingest.build.replaying import Asked, replay
from ingest.job import Job
from ingest.state import RunDir
from tests.end_to_end import Listener, credentials, job_of, load, new_table, sums_up
from tests.sandbox.conftest import Running

NUMBER = {"n": {"type": "integer"}}


@dataclass
class Scene:
    """A finished run of one CSV file, of which some records were rejected.

    `records` are lines below the header `n,t`.
    """

    server: Running
    folder: Path
    records: str = "1,a\nx,b\n3,c\ny,d\n5,e\n"
    sections: dict[str, Any] = field(default_factory=dict)
    listener: Listener = field(default_factory=Listener)

    def __post_init__(self) -> None:
        self.table = new_table()
        (self.folder / "a.csv").write_text("n,t\n" + self.records)
        self.loaded = load(self.server, self.job(), self.folder)
        self.run = RunDir(self.folder / "state" / "runs" / self.loaded.report["run"])

    def job(self, **more: Any) -> Job:
        """The job, with other settings than then."""
        sections = {"fields": NUMBER, **self.sections, **more}
        return job_of(self.folder, self.table, ["a.csv"], **sections)

    def lines(self) -> list[dict[str, Any]]:
        """The run's rejects as they stand."""
        path = self.run.rejects_path
        return (
            [orjson.loads(text) for text in path.read_bytes().splitlines()] if path.exists() else []
        )

    def mend(self, **raws: str) -> None:
        """Put these texts in place of those bytes: `mend(x="2")`."""
        lines = self.lines()
        for line in lines:
            for old, new in raws.items():
                line["raw"] = line["raw"].replace(old, new)
        self.write(lines)

    def write(self, lines: list[dict[str, Any]], path: Path | None = None) -> Path:
        """Write these lines to the run's rejects, or elsewhere."""
        path = path or self.run.rejects_path
        path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        return path

    def replay(
        self,
        job: Job | None = None,
        rejects: Path | None = None,
        backend: str = "asyncio",
        recalled: Recalled | None = None,
        **options: Any,
    ) -> Any:
        """Replay: its `RunResult`, or None. Raises what `replay` raises."""
        self.listener = Listener()
        today = recalled or Recalled(job or self.job(), [["n", "t"]])
        wishes = RunOptions(self.folder / "state", **options)
        asked = Asked(self.run, today, rejects)
        with mock.patch.dict(os.environ, credentials(self.server)):
            result = anyio.run(partial(replay, asked, wishes), self.listener, backend=backend)
        if result is not None:
            sums_up(result.report)
            assert orjson.loads(self.run.report_path.read_bytes()) == result.report
            assert (self.listener.heard[0], self.listener.heard[-1]) == ("started", "finished")
            assert self.listener.heard.count("finished") == 1
        return result

    def rows(self) -> list[tuple[int, str]]:
        """What is in the table."""
        return sorted((row["n"], row["t"]) for row in self.server.rows(self.table, "n, t"))

    def left_behind(self) -> list[str]:
        """What of a replay is in the run's directory."""
        return sorted(path.name for path in self.run.path.iterdir() if "replay" in path.name)
