"""Answer what people ask most: why did my ticket not sync."""

from __future__ import annotations

import tornado.web

from workers.flower.face import Face
from workers.flower.show import when
from workers.operating.story import Story, tell


class Why(Face):
    """Asks for a key or a URL, and tells the story of that item over all connectors."""

    tab = "why"

    async def get(self) -> None:
        """Show it."""
        item = self.word("item").strip()
        if len(item) > 500:
            raise tornado.web.HTTPError(400, "that is no key and no URL of an item")
        story: Story | None = None
        if item:
            story = await self.ask(tell, self.desk, self.config, self.connectors(), item)
        self.render("why.html", item=item, story=story, when=when)


ROUTES = [tornado.web.url(r"/why", Why, name="why")]
