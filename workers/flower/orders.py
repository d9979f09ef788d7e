"""Show orders to replay: how far each is; cancel one."""

from __future__ import annotations

import tornado.web

from connector.config import Connector
from workers.desk import Desk
from workers.flower.face import Face
from workers.flower.show import when
from workers.operating import acting
from workers.roles import Role
from workers.stores.orders import Order, order_of
from workers.stores.orders import orders as all_orders


def look(desk: Desk, connectors: list[Connector]) -> list[tuple[Connector, Order]]:
    """Return the last orders of connectors, newest first."""
    found = [(one, order) for one in connectors for order in all_orders(desk.deliveries(one))]
    return sorted(found, key=lambda pair: pair[1].begun, reverse=True)


class Orders(Face):
    """The list."""

    tab = "dead"

    async def get(self) -> None:
        """Show it."""
        found = await self.ask(look, self.desk, self.connectors())
        self.render("orders.html", found=found[:100], when=when)


class OneOrder(Face):
    """One order, which reloads itself while it is open."""

    tab = "dead"

    async def get(self, name: str, order: str) -> None:
        """Show how far it is."""
        one = self.connector_named(name)
        found = await self.ask(order_of, self.desk.deliveries(one), order)
        if found is None:
            raise tornado.web.HTTPError(404, f"there is no order {order} of {name}")
        if found.state == "open":
            self.set_header("Refresh", "1")
        self.render("order.html", one=one, order=found, operator=self.person.may(Role.OPERATOR, one), when=when)

    async def post(self, name: str, order: str) -> None:
        """Cancel it."""
        one = self.connector_named(name, Role.OPERATOR)
        done = await self.ask(acting.cancel, self.desk, one, order, self.by)
        self.say("Cancelled; what was not replayed stays dead." if done else "It was over already.")
        self.redirect(self.reverse_url("order", name, order), status=303)


ROUTES = [
    tornado.web.url(r"/replays", Orders, name="orders"),
    tornado.web.url(r"/replays/([^/]+)/([^/]+)", OneOrder, name="order"),
]
