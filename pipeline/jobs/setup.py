"""What work on files needs, said before it is loaded: here, or on another machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..config import RecognizerConfig, TranslatorConfig
from ..recognizers import Recognizer
from ..recognizers.choice import open_recognizer
from ..translators import open_translator
from ..translators.queue import TranslationQueue
from .work import Tools


@dataclass(frozen=True, slots=True)
class Setup:
    """A recognizer for the language `source` (None: any) where something is to be heard, a
    translator of `directions`, and FFmpeg where subtitles are burned in."""

    recognizer: RecognizerConfig
    source: str | None
    listens: bool
    translator: TranslatorConfig
    directions: Sequence[tuple[str | None, str]]
    burns: bool

    def tools(self, ffmpeg: str, say: Callable[[str], None]) -> Tools:
        """Load them. Raises SurtitleError."""
        recognizer = self.ears(say) if self.listens else None
        translator = open_translator(self.translator, self.directions, say)
        return Tools(recognizer, TranslationQueue(translator), ffmpeg)

    def ears(self, say: Callable[[str], None]) -> Recognizer:
        """Load the recognizer alone. Raises SurtitleError."""
        return open_recognizer(self.recognizer, self.source, say, is_live=False)
