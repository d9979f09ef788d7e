"""Start the processes: all of them for one machine, or one each for scaling."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.ports import Secret
from workers.cli.output import UNREACHABLE, USAGE, console, fail
from workers.stores.scripts import StoreError

if TYPE_CHECKING:
    from connector.config import Config
    from workers.following import Serving
    from workers.process import Process
    from workers.settings import Settings
    from workers.supervisor import Child

COMMON = "Settings come from the environment; see docs/reference.md."


@click.command()
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--no-flower", is_flag=True, help="Do not start Flower.")
@click.option("--public-url", metavar="URL", help="Address that the receiver is reached at from outside (PUBLIC_URL).")
def up(workers: int, no_flower: bool, public_url: str | None) -> None:
    """Run everything on one machine: servers, receiver, workers, schedule, Flower.

    Without BROKER_URL and STORE_URL two embedded Valkey servers are started in this folder; other
    commands in the same folder find them.  With a public URL webhooks are installed once the receiver
    listens, and looked after daily; what of that fails is said and stops nothing.
    """
    from workers.embedded import start
    from workers.env_file import filled
    from workers.process import check
    from workers.settings import Settings
    from workers.supervisor import Supervisor

    if public_url:
        from workers.cli.webhook import checked

        os.environ["PUBLIC_URL"] = checked(public_url)
    settings = Settings.from_environment(filled(os.environ))
    check(settings)
    with _alone(settings.home):
        _refuse_taken_ports(settings, flower=not no_flower, workers=workers)
        environment = dict(os.environ)
        if settings.broker_url and settings.store_url:
            _refuse_silent_servers(settings.broker_url, settings.store_url)
        owned = None
        if not (settings.broker_url and settings.store_url):
            owned = start(settings.home)
            environment |= {"BROKER_URL": owned.broker_url, "STORE_URL": owned.store_url}
        try:
            shown = ""
            if not no_flower and settings.flower_basic_auth is None and not os.environ.get("FLOWER_AUTH"):
                password = secrets.token_urlsafe(12)
                environment["FLOWER_BASIC_AUTH"] = f"operator:{password}"
                shown = f" (user operator, password {password})"
            console.print(f"webhooks   http://{settings.receiver_host}:{settings.receiver_port}/hooks/<connection>")
            if not no_flower:
                console.print(f"Flower     http://{settings.flower_address}:{settings.flower_port}{shown}")
            console.print("stop with Ctrl-C")
            code = Supervisor(_children(settings, workers, flower=not no_flower), environment).run()
        finally:
            if owned is not None:
                owned.stop()
    sys.exit(code)


def _children(settings: Settings, workers: int, *, flower: bool) -> list[Child]:
    """Return what runs on one machine; each that answers for its health gets a port of its own."""
    from workers.supervisor import Child

    def health(offset: int) -> dict[str, str]:
        return {"HEALTH_PORT": str(settings.health_port + offset)} if settings.health_port else {}

    children = [Child("receive", ("receive",)), Child("schedule", ("schedule",), health(0))]
    children += [
        Child(f"work-{number}", ("work", "--name", f"w{number}"), health(number)) for number in range(1, workers + 1)
    ]
    if flower:
        children.append(Child("flower", ("flower",), health(workers + 1)))
    if settings.public_url:
        children.append(Child("webhooks", ("webhook", "install", "--yes", "--wait", "60"), once=True))
    return children


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let one ``connector up`` run in a folder; the kernel frees the lock of one that died."""
    folder = home / ".connector"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            fail(f"'connector up' runs in {home} already (process {lock.read().strip() or 'unknown'}); stop that first")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _refuse_taken_ports(settings: Settings, *, flower: bool, workers: int) -> None:
    """End with all ports that others hold, before anything is started."""
    wanted = [("RECEIVER_PORT", settings.receiver_host, settings.receiver_port)]
    if flower:
        wanted.append(("FLOWER_PORT", settings.flower_address, settings.flower_port))
    if settings.health_port:
        wanted += [("HEALTH_PORT", settings.health_host, settings.health_port + n) for n in range(workers + 1 + flower)]
    taken = []
    seen: set[int] = set()
    for name, host, port in wanted:
        why = f"{port} is wanted twice" if port in seen else cannot_listen(host, port)
        seen.add(port)
        if why:
            taken.append(f"{name}: {why}")
    if taken:
        fail(f"{'; '.join(taken)}. Stop what holds it, or set another; nothing was started")


def cannot_listen(host: str, port: int) -> str:
    """Return why nothing can listen there, "" where it can."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a connection of before that is still closing is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"port {port} on {host or 'all addresses'} is in use by another program"
        return f"cannot listen on {host}:{port}: {error.strerror or error}"
    except OverflowError:
        return f"there is no port {port}"
    return ""


def _refuse_silent_servers(*urls: Secret) -> None:
    from workers.stores.client import open_store

    for name, url in zip(("BROKER_URL", "STORE_URL"), urls, strict=True):
        client = open_store(url.reveal(), connections=1)
        try:
            client.ping()
        except StoreError as error:
            fail(f"{name}: the server cannot be reached: {error}; nothing was started", UNREACHABLE)
        finally:
            client.close()


@click.command()
@click.option("--host", help="Address to listen on (RECEIVER_HOST).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (RECEIVER_PORT).")
def receive(host: str | None, port: int | None) -> None:
    """Take webhooks in at /hooks/<connection>."""
    from workers.app import process, start_logs
    from workers.receiving import serve

    start_logs(process.settings)
    where = host or process.settings.receiver_host, port or process.settings.receiver_port
    if why := cannot_listen(*where):
        fail(f"RECEIVER_PORT: {why}; stop what holds it, or set another")
    serve(process, *where)


@click.command()
@click.option("--name", default="w1", show_default=True, help="Name of this worker on this host.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads (WORKER_THREADS).")
@click.option("--connectors", default="", help="Serve only these connectors, separated by commas.")
@click.option("--team", "teams", default="", help="Serve only connectors of this team; several separated by commas.")
def work(name: str, threads: int | None, connectors: str, teams: str) -> None:
    """Run a worker: deliver what is in the inbox.

    With --connectors and --team it serves these only, and follows the configuration: a connector that is renamed, one
    that comes to the team or leaves it.  Others need a worker of their own.
    """
    from workers.app import TICKS, app, farewell, process, start_logs
    from workers.doorbell import queue_name

    start_logs(process.settings)
    serving = process.serving = _serving(process.source.current, connectors, teams)
    _refuse_taken_health(process.settings)
    served = sorted(serving.of(process.source.current))
    queues = [TICKS, *(queue_name(one) for one in served)] if serving.some else None
    run: Callable[[list[str]], object] = app.worker_main  # its stubs say that it never returns
    run(
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
    farewell.over()
    # Not 0 where Celery gave up: a supervisor that restarts only what failed must see it.
    sys.exit(farewell.exit_code)


def _serving(config: Config, connectors: str, teams: str) -> Serving:
    """Read what a worker is to serve; ends where that names nobody."""
    from workers.following import Serving

    names, owners = ({one.strip() for one in given.split(",") if one.strip()} for given in (connectors, teams))
    there = {
        "connector": (names, set(config.connectors)),
        "team with connectors": (owners, {one.owner.team for one in config.connectors.values() if one.owner.team}),
    }
    for what, (wanted, known) in there.items():
        if unknown := sorted(wanted - known):
            fail(f"no such {what}: {', '.join(unknown)}; there are: {', '.join(sorted(known)) or 'none'}", USAGE)
    return Serving(frozenset(names), frozenset(owners))


@click.command()
@click.option("--as", "name", default="", hidden=True, help="Name of this process; the worker that starts it knows it.")
def quarantine(name: str) -> None:
    """Try suspects: deliveries that were in flight when a worker died.

    One at a time, in this process alone, until there are none.  Workers start it by themselves when it is
    needed; by hand it is for watching what happens.
    """
    from workers.app import process, start_logs, stop_at_signals
    from workers.quarantine import work_off
    from workers.scanner import Scanner

    start_logs(process.settings)
    stop_at_signals()
    wiring = process.wiring
    wiring.name = name or wiring.name
    desk = wiring.desk()
    # Renews the slot of the turn that runs, and ends it should the store be away just then.
    scanner = Scanner(
        desk,
        wiring.inbox(),
        every=process.settings.scan.total_seconds(),
        follow=lambda: None,
    )
    scanner.start()
    try:
        done = work_off(desk)
    except StoreError as error:
        desk.turns.wait_until_ended(process.settings.slot.total_seconds())
        fail(f"the store does not answer: {error}", UNREACHABLE)
    finally:
        scanner.stop()
        process.close()
    said = f"{done.delivered} delivered, {done.skipped} skipped, {done.failed} to be tried again, {done.dead} dead"
    if name:
        logging.getLogger("connector.quarantine").info("%s", said)  # among a worker's lines
    else:
        console.print(said)


@click.command()
def schedule() -> None:
    """Run the clock that triggers polls and retention; run one of it, two do no harm."""
    from workers.app import app, process, start_logs

    start_logs(process.settings)
    _answer_health(process.settings)
    _follow(process, "schedule")
    Path(app.conf.beat_schedule_filename).parent.mkdir(parents=True, exist_ok=True)
    app.Beat(loglevel=process.settings.log_level.value).run()


@click.command()
def flower() -> None:
    """Run Flower with our pages in it; refuses to start without authentication."""
    from workers.app import app, poll_now, process, start_logs
    from workers.flower.install import install

    settings = process.settings
    start_logs(settings)
    if os.environ.get("FLOWER_UNAUTHENTICATED_API"):
        fail("FLOWER_UNAUTHENTICATED_API would let any web page run tasks; unset it", USAGE)
    if settings.flower_basic_auth is None and not os.environ.get("FLOWER_AUTH"):
        fail("Flower would be open to anyone: set FLOWER_BASIC_AUTH=name:password (or FLOWER_AUTH with OAuth)", USAGE)
    if settings.flower_basic_auth is not None:
        # Flower reads it itself; on the command line it would show in the process list.
        os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.reveal()
    if why := cannot_listen(settings.flower_address, settings.flower_port):
        fail(f"FLOWER_PORT: {why}; stop what holds it, or set another")
    _answer_health(settings)
    _follow(process, "flower")
    install(process, settings.flower_roles, poll_now)
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


def _follow(process: Process, role: str) -> None:
    """Follow what is published, in a process that otherwise asks for the configuration only now and then."""
    from workers.configuration import Following

    process.serve_as(role)
    if process.source.remote:
        Following(process.source).start()


def _answer_health(settings: Settings) -> None:
    """Answer /healthz and /readyz where a port is set for them."""
    from workers.app import broker_answers, store_answers
    from workers.health import Health

    _refuse_taken_health(settings)
    if settings.health_port:
        Health(
            ready={"store": store_answers, "broker": broker_answers},
            host=settings.health_host,
            port=settings.health_port,
        ).start()


def _refuse_taken_health(settings: Settings) -> None:
    if settings.health_port and (why := cannot_listen(settings.health_host, settings.health_port)):
        fail(f"HEALTH_PORT: {why}; stop what holds it, or set another")


COMMANDS = (up, receive, work, quarantine, schedule, flower)
