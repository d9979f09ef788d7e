"""A running worker serves new connectors and leaves old ones, whatever the broker does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery

from connector.config import Config, Owner
from tests.workers.office import bugs
from workers.celery_settings import SETTINGS
from workers.doorbell import queue_for, queue_name
from workers.following import Queues, Serving


class Consumer:
    """Celery's consumer, as far as it is asked; runs what it is given when the test says so."""

    connection_errors = (ConnectionResetError,)

    def __init__(self) -> None:
        self.task_consumer: object | None = object()
        self.served: set[str] = set()
        self.soon: list[Callable[[], object]] = []
        self.broken = False

    def call_soon(self, what: Callable[..., object], *arguments: Any) -> None:
        self.soon.append(lambda: what(*arguments))

    def run(self) -> None:
        for one in self.soon:
            one()
        self.soon.clear()

    def add_task_queue(self, name: str) -> None:
        if self.broken:
            raise ConnectionResetError
        self.served.add(name)

    def cancel_task_queue(self, name: str) -> None:
        if self.broken:
            raise ConnectionResetError
        self.served.discard(name)


def config(*names: str) -> Config:
    return Config("test", {}, {name: bugs(name=name) for name in names}, hash=" ".join(names))


def worker(*names: str, only: str = "") -> tuple[Celery, Consumer, Queues]:
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.update(SETTINGS)
    app.conf.task_queues = [queue_for(queue_name(name)) for name in names]
    if only:
        app.amqp.queues.select([queue_name(only)])
    consumer = Consumer()
    return app, consumer, Queues(app, lambda: consumer, config(*names))


def owned(**teams: str) -> Config:
    """Declare connectors by name with their teams."""
    made = {name: bugs(name=name, owner=Owner(team)) for name, team in teams.items()}
    return Config("test", {}, made, hash=str(teams))


def split(serving: Serving, known: Config) -> tuple[Celery, Consumer, Queues]:
    """Start a worker that serves some of the connectors."""
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.update(SETTINGS)
    app.conf.task_queues = [queue_for(queue_name(name)) for name in known.connectors]
    served = [queue_name(name) for name in serving.of(known)]
    app.amqp.queues.select(served)
    consumer = Consumer()
    consumer.served = set(served)
    return app, consumer, Queues(app, lambda: consumer, known, serving)


def served_next(app: Celery) -> set[str]:
    """What the next connection to the broker would consume."""
    return {name.removeprefix("connector.") for name in app.amqp.queues.consume_from}


def test_a_new_connector_is_served_now_and_by_every_later_connection() -> None:
    app, consumer, queues = worker("one")
    queues.follow(config("one", "two"))
    consumer.run()
    assert consumer.served == {"connector.two"}
    assert served_next(app) == {"one", "two"}


def test_one_that_went_is_left() -> None:
    app, consumer, queues = worker("one", "two")
    consumer.served = {"connector.one", "connector.two"}
    queues.follow(config("one"))
    consumer.run()
    assert consumer.served == {"connector.one"}
    assert served_next(app) == {"one"}


def test_the_same_configuration_asks_for_nothing() -> None:
    _, consumer, queues = worker("one")
    changed = config("one", "two")
    queues.follow(changed)
    queues.follow(changed)
    assert len(consumer.soon) == 1
    queues.follow(config("one", "two"))
    assert len(consumer.soon) == 1


def test_while_the_broker_is_away_the_next_connection_is_prepared() -> None:
    app, consumer, queues = worker("one")
    consumer.task_consumer = None
    queues.follow(config("one", "two", "three"))
    consumer.run()
    assert not consumer.served
    assert served_next(app) == {"one", "two", "three"}


def test_a_connection_that_breaks_in_the_middle_ends_nothing() -> None:
    app, consumer, queues = worker("one")
    consumer.broken = True
    queues.follow(config("two", "three"))
    consumer.run()
    assert served_next(app) == {"two", "three"}


def test_a_worker_of_some_connectors_stays_with_them() -> None:
    app, consumer, queues = worker("one", "two", only="one")
    queues.follow(config("one", "two", "three"))
    consumer.run()
    assert not consumer.served
    assert served_next(app) == {"one"}


def test_the_queue_of_a_former_name_is_served_on() -> None:
    """A doorbell may just be in it, and a process that has not followed yet still rings there."""
    app, consumer, queues = worker("one", "two")
    consumer.served = {"connector.one", "connector.two"}
    queues.follow(Config("test", {}, {"uno": bugs(name="uno", uid="one", formerly=("one",))}, hash="renamed"))
    consumer.run()
    assert consumer.served == {"connector.one", "connector.uno"}
    assert served_next(app) == {"one", "uno"}


def test_a_worker_of_a_team_follows_who_belongs_to_it() -> None:
    serving = Serving(teams=frozenset({"pay"}))
    app, consumer, queues = split(serving, owned(one="pay", two="pay", three="web"))
    assert consumer.served == {"connector.one", "connector.two"}
    queues.follow(owned(one="pay", two="web", three="pay", four="pay", five="web"))
    consumer.run()
    assert consumer.served == {"connector.one", "connector.three", "connector.four"}
    assert served_next(app) == {"one", "three", "four"}


def test_a_team_that_owns_nothing_any_more_is_served_again_when_it_does() -> None:
    app, consumer, queues = split(Serving(teams=frozenset({"pay"})), owned(one="pay", two="web"))
    queues.follow(owned(one="web", two="web"))
    consumer.run()
    assert served_next(app) == set()
    queues.follow(owned(one="web", two="pay"))
    consumer.run()
    assert served_next(app) == {"two"}


def test_a_worker_for_some_connectors_follows_their_names() -> None:
    app, consumer, queues = split(Serving(names=frozenset({"one"})), config("one", "two"))
    renamed = {"uno": bugs(name="uno", uid="one", formerly=("one",)), "two": bugs(name="two")}
    queues.follow(Config("test", {}, renamed, hash="renamed"))
    consumer.run()
    # The queue of the former name too: a doorbell may be in it.
    assert served_next(app) == {"one", "uno"}
    queues.follow(config("two", "three"))
    consumer.run()
    assert served_next(app) == {"one"}, "what a former name may still bring is harmless"


def test_what_plain_celery_serves_stays_as_it_is() -> None:
    app, consumer, queues = worker("one", "two", only="one")
    queues.follow(config("one", "two", "three"))
    assert consumer.soon == []
    assert served_next(app) == {"one"}


def test_who_serves_nobody_in_particular_serves_all() -> None:
    known = owned(one="pay", two="")
    assert Serving().of(known) == {"one", "two"}
    assert Serving(names=frozenset({"two"}), teams=frozenset({"pay"})).of(known) == {"one", "two"}
    assert not Serving().some
