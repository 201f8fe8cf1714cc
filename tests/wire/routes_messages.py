"""REST routes of interactions, their webhooks, and messages by bot token."""

from collections.abc import Sequence

from aiohttp import web

from tests.wire.api_errors import ApiError
from tests.wire.board import MessageBoard
from tests.wire.callbacks import Callbacks
from tests.wire.http_json import Body, no_content, read_body, reply
from tests.wire.interactions import WireInteraction
from tests.wire.messages import WireMessage
from tests.wire.world import World

ORIGINAL = "@original"
WEBHOOK = "/webhooks/{application_id}/{token}"
WEBHOOK_MESSAGE = WEBHOOK + "/messages/{message_id}"
MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"


class MessageRoutes:
    """Translates requests into calls of the board, and its messages into answers."""

    def __init__(self, *, world: World, board: MessageBoard) -> None:
        self._world = world
        self._board = board
        self._callbacks = Callbacks(world=world, board=board)

    def table(self) -> Sequence[web.RouteDef]:
        """Return the routes, without the prefix of the API."""
        return [
            web.post("/interactions/{interaction_id}/{token}/callback", self._callback),
            web.post(WEBHOOK, self._follow_up),
            web.get(WEBHOOK_MESSAGE, self._get_by_token),
            web.patch(WEBHOOK_MESSAGE, self._edit_by_token),
            web.delete(WEBHOOK_MESSAGE, self._delete_by_token),
            web.post(MESSAGES, self._post),
            web.get(MESSAGES, self._list),
            web.get(MESSAGE, self._get),
            web.patch(MESSAGE, self._edit),
            web.delete(MESSAGE, self._delete),
            web.patch("/channels/{channel_id}", self._change_channel),
            web.post("/channels/{channel_id}/typing", self._typing),
        ]

    async def _callback(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        interaction_id = int(request.match_info["interaction_id"])
        resource = self._callbacks.answer(interaction_id, request.match_info["token"], body)
        wants_response = request.query.get("with_response") in ("1", "true")
        return reply(resource) if wants_response else no_content()

    async def _follow_up(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        interaction = self._interaction(request)
        original = interaction.message
        if original is not None and original.is_loading:
            self._board.edit_by_token(interaction, original, body, via="token")
            return self._shown(original)
        self._count_follow_up(interaction)
        message = self._board.respond(interaction, body, via="token")
        interaction.followups.append(message)
        return self._shown(message)

    async def _get_by_token(self, request: web.Request) -> web.Response:
        return self._shown(self._webhook_message(request))

    async def _edit_by_token(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        message = self._webhook_message(request)
        self._board.edit_by_token(self._interaction(request), message, body, via="token")
        return self._shown(message)

    async def _delete_by_token(self, request: web.Request) -> web.Response:
        self._webhook_message(request).delete()
        return no_content()

    async def _post(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        return self._shown(self._board.post(int(request.match_info["channel_id"]), body))

    async def _list(self, request: web.Request) -> web.Response:
        query = {name: int(value) for name, value in request.query.items() if name in ("before", "after", "limit")}
        seen = self._board.history(
            int(request.match_info["channel_id"]),
            before=query.get("before"),
            after=query.get("after"),
            limit=min(query.get("limit", 50), 100),
        )
        return reply([self._world.message_payload(message) for message in seen])

    async def _get(self, request: web.Request) -> web.Response:
        return self._shown(self._bot_message(request))

    async def _edit(self, request: web.Request) -> web.Response:
        body: Body = await read_body(request)
        message = self._bot_message(request)
        self._board.edit_by_bot(message, body)
        return self._shown(message)

    async def _delete(self, request: web.Request) -> web.Response:
        self._bot_message(request).delete()
        return no_content()

    async def _change_channel(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        channel = self._board.change_thread(int(request.match_info["channel_id"]), body.payload)
        self._world.changes.notify()
        return reply(self._world.channel_payload(channel))

    async def _typing(self, request: web.Request) -> web.Response:
        self._board.reachable(int(request.match_info["channel_id"]))
        return no_content()

    def _shown(self, message: WireMessage) -> web.Response:
        self._world.changes.notify()
        return reply(self._world.message_payload(message))

    def _interaction(self, request: web.Request) -> WireInteraction:
        return self._world.by_token(request.match_info["token"])

    def _webhook_message(self, request: web.Request) -> WireMessage:
        interaction = self._interaction(request)
        message_id = request.match_info["message_id"]
        known = [message for message in (interaction.message, *interaction.followups) if message is not None]
        for message in known:
            is_original = message is interaction.message and message_id == ORIGINAL
            if (is_original or str(message.id) == message_id) and not message.deleted:
                return message
        raise ApiError(10008)

    def _bot_message(self, request: web.Request) -> WireMessage:
        return self._board.find(int(request.match_info["channel_id"]), int(request.match_info["message_id"]))

    def _count_follow_up(self, interaction: WireInteraction) -> None:
        interaction.followups_sent += 1
        limit = self._world.state.user_install_followups
        if interaction.origin.is_user_install_only and interaction.followups_sent > limit:
            raise ApiError(40094)
