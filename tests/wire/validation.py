"""What Discord refuses about the content of a message, as far as it is cheap to know."""

from tests.wire.api_errors import ApiError, invalid_form
from tests.wire.components import ACTION_ROW, ATTACHMENT_SCHEME, BUTTON, GALLERY, V2_ONLY, media_urls, texts, walk
from tests.wire.http_json import Json, Upload
from tests.wire.messages import Content

MAX_CONTENT = 2000
MAX_V2_TEXT = 4000
MAX_V2_COMPONENTS = 40
MAX_ROWS = 5
MAX_ROW_BUTTONS = 5
MAX_LABEL = 80
MAX_CUSTOM_ID = 100
MAX_ATTACHMENTS = 10
MAX_EMBEDS = 10
MAX_EMBED_TEXT = 6000


def check_uploads(uploads: list[Upload], *, file_limit: int, request_limit: int) -> None:
    """Refuse files that are too large (413/40005), each or together."""
    sizes = [len(upload.data) for upload in uploads]
    if any(size > file_limit for size in sizes) or sum(sizes) > max(file_limit, request_limit):
        raise ApiError(40005)


def check_content(new: Content) -> None:
    """Refuse a message that Discord would refuse."""
    if len(new.content) > MAX_CONTENT:
        raise invalid_form("content", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CONTENT} or fewer in length.")
    if len(new.files) > MAX_ATTACHMENTS:
        raise ApiError(30015)
    _check_embeds(new.embeds)
    _check_components(new)
    _check_media(new)
    if not (new.content or new.embeds or new.components or new.files):
        raise ApiError(50006)


def _check_embeds(embeds: list[Json]) -> None:
    if len(embeds) > MAX_EMBEDS:
        raise invalid_form("embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_EMBEDS} or fewer in length.")
    length = sum(len(embed.get("title", "")) + len(embed.get("description", "")) for embed in embeds)
    length += sum(len(entry["name"]) + len(entry["value"]) for embed in embeds for entry in embed.get("fields", []))
    if length > MAX_EMBED_TEXT:
        raise invalid_form("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _check_components(new: Content) -> None:
    found = list(walk(new.components))
    if new.is_v2:
        _check_v2(new, found)
    else:
        _check_legacy(new, found)
    for component in found:
        _check_component(component)
    custom_ids = [component["custom_id"] for component in found if "custom_id" in component]
    if len(custom_ids) != len(set(custom_ids)):
        raise invalid_form("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")


def _check_v2(new: Content, found: list[Json]) -> None:
    if new.content or new.embeds:
        message = "The 'content' and 'embeds' fields cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        raise invalid_form("flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message)
    if len(found) > MAX_V2_COMPONENTS:
        raise invalid_form("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "Must be 40 or fewer in total.")
    if sum(len(text) for text in texts(new.components)) > MAX_V2_TEXT:
        message = f"Must be {MAX_V2_TEXT} or fewer in total displayable text."
        raise invalid_form("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)


def _check_legacy(new: Content, found: list[Json]) -> None:
    if any(component.get("type") in V2_ONLY for component in found):
        raise invalid_form("components.0", "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1,).')
    if len(new.components) > MAX_ROWS:
        raise invalid_form("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")


def _check_component(component: Json) -> None:
    kind = component.get("type")
    if len(component.get("custom_id", "")) > MAX_CUSTOM_ID:
        raise invalid_form("components.custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    if kind == BUTTON and len(component.get("label") or "") > MAX_LABEL:
        raise invalid_form("components.label", "BASE_TYPE_MAX_LENGTH", "Must be 80 or fewer in length.")
    if kind == ACTION_ROW and not 1 <= len(component.get("components", [])) <= MAX_ROW_BUTTONS:
        raise invalid_form("components.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    if kind == GALLERY and not 1 <= len(component.get("items", [])) <= MAX_ATTACHMENTS:
        raise invalid_form("components.items", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 10 in length.")


def _check_media(new: Content) -> None:
    for url in media_urls(new.components):
        name = url.removeprefix(ATTACHMENT_SCHEME)
        if name != url and not any(file.answers_to(name) for file in new.files):
            message = f"The referenced attachment '{name}' was not found."
            raise invalid_form("components.media.url", "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", message)
