"""Put our pages into Flower: their routes, their templates, their links in its navigation bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import flower.urls
import prometheus_client
import tornado.template
import tornado.web

from connector.config import Connector
from workers.desk import Desk
from workers.flower import api, audit, conflicts, connectors, dead, mappings, orders, strange, why
from workers.inbox import Inbox
from workers.operating.metrics import Metrics
from workers.process import Process
from workers.roles import Rule

HERE: Final = Path(__file__).parent

LINKS: Final = (
    ("connectors", "Connectors"),
    ("dead", "Dead letters"),
    ("conflicts", "Conflicts"),
    ("why", "Why not?"),
    ("mappings", "Mappings"),
    ("audit", "Audit"),
)
"""Route name and label of what is added to the navigation bar."""

MARK: Final = '<ul class="app-nav navbar-nav">\n'
"""Where Flower's list of links begins; a test fails when a new Flower has changed it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What our pages work with."""

    process: Process
    rules: Sequence[Rule]
    poll: Callable[[Connector], None]
    """Polls a connector's source now."""

    def desk(self) -> Desk:
        """Return what an operator works with."""
        return self.process.wiring.desk()

    def inbox(self) -> Inbox:
        """Return the way in, for payloads that are read again."""
        return self.process.wiring.inbox()


class Templates(tornado.template.BaseLoader):
    """Our templates, then Flower's, with our links in its navigation bar."""

    def __init__(self, theirs: Path) -> None:
        super().__init__(autoescape="xhtml_escape")
        self._folders = (HERE / "templates", theirs)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:  # noqa: ARG002 - tornado's signature
        """Templates of both live side by side; names are never relative to the one that asks."""
        return name

    def _create_template(self, name: str) -> tornado.template.Template:
        for folder in self._folders:
            path = folder / name
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                if name == "navbar.html":
                    text = with_links(text)
                if name == "task.html":
                    text = with_letter(text)
                return tornado.template.Template(text, name=name, loader=self)
        raise FileNotFoundError(name)


def with_links(navbar: str) -> str:
    """Return Flower's navigation bar with our links in front; raises where it looks different than expected."""
    if navbar.count(MARK) != 1:
        message = "Flower's navigation bar has changed: our links find no place in it"
        raise RuntimeError(message)
    links = "".join(
        f"""        <li class="nav-item">
          <a class="nav-link{{% if active_tab == '{name}' %}} active{{% end %}}" href="{{{{ reverse_url('{name}') }}}}"
            {{% if active_tab == '{name}' %}}aria-current="page"{{% end %}}>{label}</a>
        </li>
"""
        for name, label in LINKS
    )
    return navbar.replace(MARK, MARK + links)


TASK_MARK: Final = '<div class="detail-actions">\n'
"""Where the buttons of Flower's page of one task begin."""


def with_letter(task: str) -> str:
    """Return Flower's page of one task with a link to the dead letter that it stands for; raises if it has changed."""
    if task.count(TASK_MARK) != 1:
        message = "Flower's page of a task has changed: the link to a dead letter finds no place in it"
        raise RuntimeError(message)
    link = """      {% if task.name in handler.settings["connector"].desk().config().connectors %}
      {% set page = ("connector", task.name) if ":" in task.uuid else ("letter", task.name, task.uuid) %}
      <a class="btn btn-primary" href="{{ reverse_url(*page) }}">{{ "Dead letter" if page[2:] else "What is held" }}</a>
      {% end %}
"""
    return task.replace(TASK_MARK, TASK_MARK + link)


def routes() -> list[Any]:
    """Return our routes; all of them named ``url`` objects, which survive Flower's ``--url-prefix``."""
    static = tornado.web.url(
        r"/connector-static/(.*)",
        tornado.web.StaticFileHandler,
        {"path": str(HERE / "static")},
        name="connector_static",
    )
    return [
        static,
        *connectors.ROUTES,
        *dead.ROUTES,
        *strange.ROUTES,
        *conflicts.ROUTES,
        *orders.ROUTES,
        *why.ROUTES,
        *mappings.ROUTES,
        *audit.ROUTES,
        *api.ROUTES,
    ]


def install(process: Process, rules: Sequence[Rule], poll: Callable[[Connector], None]) -> None:
    """Add everything to Flower; call it once, before Flower's application is made."""
    flower.urls.handlers[0:0] = routes()
    flower.urls.settings["template_loader"] = Templates(Path(flower.urls.settings["template_path"]))
    parts = Parts(process, rules, poll)
    flower.urls.settings["connector"] = parts
    # Flower's /metrics exports whatever is registered.
    prometheus_client.REGISTRY.register(Metrics(parts.desk, time.monotonic))
