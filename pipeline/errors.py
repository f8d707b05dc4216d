"""Exceptions of ours. Each message names the value and the remedy, and is shown to the user as is.

SurtitleError
├── MediaError          a file that cannot be decoded, or has no audio
├── RecognizerError     a recognizer that cannot be loaded or does not know the language
├── TranslatorError     a translator that cannot be loaded or does not know the language pair
└── OutputError         a result that cannot be written
"""


class SurtitleError(Exception):
    """The base of every error that is reported in one line, without a traceback."""


class MediaError(SurtitleError):
    pass


class RecognizerError(SurtitleError):
    pass


class TranslatorError(SurtitleError):
    pass


class OutputError(SurtitleError):
    pass
