"""Exceptions of ours. Each message names the value and the remedy, and is shown to the user as is.

SurtitleError
├── MediaError          a file that cannot be decoded, or has no audio
├── RecognizerError     a recognizer that cannot be loaded or does not know the language
├── TranslatorError     a translator that cannot be loaded or does not know the language pair
│   ├── DraftWithheld   what a translator found for a draft is not fit to be shown
│   └── TranslatorAway  one that is out of reach for now, and has said so itself
├── OutputError         a result that cannot be written
├── DeviceError         a microphone that cannot be opened
├── RemoteError         a server that cannot be reached, or refuses
├── RefusedError        a peer that asks a server of ours for what it does not get
└── StoreError          a store of sessions that cannot be opened, read or written
"""


class SurtitleError(Exception):
    """The base of every error that is reported in one line, without a traceback."""


class MediaError(SurtitleError):
    pass


class RecognizerError(SurtitleError):
    pass


class TranslatorError(SurtitleError):
    pass


class DraftWithheld(TranslatorError):
    """What is shown of a text stays, until a revision of it comes out right."""


class TranslatorAway(TranslatorError):
    """It may come back. Whoever waits for it has told the log once, so nobody else needs to."""


class OutputError(SurtitleError):
    pass


class DeviceError(SurtitleError):
    pass


class RemoteError(SurtitleError):
    pass


class RefusedError(SurtitleError):
    """`code` is one of the caption protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StoreError(SurtitleError):
    pass
