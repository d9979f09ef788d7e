"""Start the processes: all of them for one machine, or one each for scaling."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path

import click

from workers.cli.output import console, fail

COMMON = "Settings come from the environment; see docs/reference.md."


@click.command()
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--no-flower", is_flag=True, help="Do not start Flower.")
def up(workers: int, no_flower: bool) -> None:
    """Run everything on one machine: servers, receiver, workers, schedule, Flower.

    Without BROKER_URL and STORE_URL two embedded Valkey servers are started in this folder; other
    commands in the same folder find them.
    """
    from workers.embedded import start
    from workers.process import check
    from workers.settings import Settings
    from workers.supervisor import Child, Supervisor

    settings = Settings.from_environment(os.environ)
    check(settings)
    environment = dict(os.environ)
    owned = None
    if not (settings.broker_url and settings.store_url):
        owned = start(settings.home)
        if settings.broker_url is None:
            environment["BROKER_URL"] = owned.broker_url
        if settings.store_url is None:
            environment["STORE_URL"] = owned.store_url
    children = [Child("receive", ("receive",)), Child("schedule", ("schedule",))]
    children += [Child(f"work-{number}", ("work", "--name", f"w{number}")) for number in range(1, workers + 1)]
    shown = ""
    if not no_flower:
        if settings.flower_basic_auth is None and not os.environ.get("FLOWER_AUTH"):
            password = secrets.token_urlsafe(12)
            environment["FLOWER_BASIC_AUTH"] = f"operator:{password}"
            shown = f" (user operator, password {password})"
        children.append(Child("flower", ("flower",)))
    console.print(f"webhooks   http://{settings.receiver_host}:{settings.receiver_port}/hooks/<connection>")
    if not no_flower:
        console.print(f"Flower     http://{settings.flower_address}:{settings.flower_port}{shown}")
    console.print("stop with Ctrl-C")
    try:
        code = Supervisor(children, environment).run()
    finally:
        if owned is not None:
            owned.stop()
    sys.exit(code)


@click.command()
@click.option("--host", help="Address to listen on (RECEIVER_HOST).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (RECEIVER_PORT).")
def receive(host: str | None, port: int | None) -> None:
    """Take webhooks in at /hooks/<connection>."""
    from workers.app import process
    from workers.receiving import serve

    _logs(process.settings)
    serve(process, host or process.settings.receiver_host, port or process.settings.receiver_port)


@click.command()
@click.option("--name", default="w1", show_default=True, help="Name of this worker on this host.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads (WORKER_THREADS).")
@click.option("--connectors", default="", help="Serve only these connectors, separated by commas.")
def work(name: str, threads: int | None, connectors: str) -> None:
    """Run a worker: deliver what is in the inbox."""
    from workers.app import TICKS, app, process
    from workers.doorbell import queue_name

    _logs(process.settings)
    wanted = [one.strip() for one in connectors.split(",") if one.strip()]
    unknown = [one for one in wanted if one not in process.source.current.connectors]
    if unknown:
        fail(f"no such connector: {', '.join(unknown)}", 2)
    queues = [TICKS, *(queue_name(one) for one in wanted)] if wanted else None
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=threads",
            f"--concurrency={threads or process.settings.worker_threads}",
            f"--hostname={name}@%h",
            "--without-gossip",
            "--without-mingle",
            "--events",
            f"--loglevel={process.settings.log_level.value}",
            *([f"--queues={','.join(queues)}"] if queues else []),
        ]
    )


@click.command()
def schedule() -> None:
    """Run the clock that triggers polls and retention; run one of it, two do no harm."""
    from workers.app import app, broker_answers, process, store_answers
    from workers.health import Health

    _logs(process.settings)
    if process.settings.health_port:
        Health(
            ready={"store": store_answers, "broker": broker_answers},
            host=process.settings.health_host,
            port=process.settings.health_port,
        ).start()
    Path(app.conf.beat_schedule_filename).parent.mkdir(parents=True, exist_ok=True)
    app.Beat(loglevel=process.settings.log_level.value).run()


@click.command()
def flower() -> None:
    """Run Flower; refuses to start without authentication."""
    from workers.app import app, process

    settings = process.settings
    _logs(settings)
    if os.environ.get("FLOWER_UNAUTHENTICATED_API"):
        fail("FLOWER_UNAUTHENTICATED_API would let any web page run tasks; unset it", 2)
    if settings.flower_basic_auth is None and not os.environ.get("FLOWER_AUTH"):
        fail("Flower would be open to anyone: set FLOWER_BASIC_AUTH=name:password (or FLOWER_AUTH with OAuth)", 2)
    if settings.flower_basic_auth is not None:
        # Flower reads it itself; on the command line it would show in the process list.
        os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.reveal()
    app.start(
        [
            "flower",
            f"--address={settings.flower_address}",
            f"--port={settings.flower_port}",
            "--max-tasks=10000",
            "--max-workers=500",
            # Its own state-changing calls pass by our rules and our audit.
            "--read-only=True",
        ]
    )


def _logs(settings: object) -> None:
    from workers import logs
    from workers.settings import Settings

    if isinstance(settings, Settings):
        # Every doorbell is a task: two lines each would bury everything else.
        for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logs.start(settings.log_level.value, form=settings.log_format.value)


COMMANDS = (up, receive, work, schedule, flower)
