"""Builds what members, moderators and owners meet: the commands and buttons of a process that hears Discord.

A part of the composition root: nothing here decides anything.
"""

from collections.abc import Sequence
from random import Random
from typing import cast

from discord.ext import commands

from bot.clock import Clock
from bot.images.pictures import Pictures
from bot.installation import Installation
from bot.jobs.progressboard import ProgressBoard
from bot.office import Office
from bot.ui.again import History
from bot.ui.attachments import Attachments
from bot.ui.batches import Packer
from bot.ui.cancel import CancelJobs
from bot.ui.client import ComfycordBot
from bot.ui.i18n import Languages
from bot.ui.messages import JobMessages
from bot.ui.queuepage import QueuePage
from bot.ui.render import Renderer
from bot.ui.resume import ShowResult
from bot.ui.tree import Tree
from bot.workflow.catalog import Catalog
from bot.works import Works
from cogs.cancel import CancelCommand
from cogs.generate import Generate
from cogs.history import HistoryCommand
from cogs.queue import QueueCommand
from cogs.results import Results


class Front:
    """The cogs. `generate` accepts nothing more once it is closed."""

    def __init__(
        self,
        *,
        bot: ComfycordBot,
        installation: Installation,
        works: Works,
        office: Office,
        catalog: Catalog,
        pictures: Pictures,
        messages: JobMessages,
        renderer: Renderer,
        languages: Languages,
        board: ProgressBoard,
        clock: Clock,
        random: Random,
    ) -> None:
        self._bot = bot
        self._installation = installation
        self._works = works
        self._office = office
        self._languages = languages
        self._board = board
        store, shelf = installation.store, installation.shelf
        self.generate = Generate(
            tree=cast("Tree", bot.tree),
            catalog=catalog,
            definitions=works.definitions,
            attachments=Attachments(pictures=pictures),
            admission=office.admission,
            queue=works.queue,
            intake=works.intake,
            renderer=renderer,
            clock=clock,
            random=random,
        )
        self._results = Results(
            bot=bot,
            show=ShowResult(
                store=store,
                shelf=shelf,
                messages=messages,
                languages=languages,
                clock=clock,
                is_ours=works.tells_of,
            ),
        )
        self._history = HistoryCommand(
            bot=bot,
            history=History(
                store=store, shelf=shelf, packer=Packer(pictures=pictures), renderer=renderer, languages=languages
            ),
        )

    def cogs(self) -> Sequence[commands.Cog]:
        """Return the cogs in the order in which they are added."""
        store, works, languages = self._installation.store, self._works, self._languages
        return (
            self.generate,
            self._results,
            self._history,
            CancelCommand(bot=self._bot, jobs=CancelJobs(store=store, canceller=works.canceller, languages=languages)),
            QueueCommand(survey=works.lineup.survey, page=QueuePage(languages, self._board.fraction)),
            *self._office.cogs(),
        )
