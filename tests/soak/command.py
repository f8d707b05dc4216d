"""The command `surtitle`, with ears for tones instead of a recognizer of speech."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    sys.path.append(str(ROOT))
    from surtitle.pipeline import cli
    from surtitle.pipeline.commands import serve
    from surtitle.pipeline.recognizers.child_process import ChildProcessRecognizer
    from surtitle.pipeline.recognizers.pool import RecognizerPool
    from surtitle.pipeline.recognizers.vad import Vad
    from tests.soak.tones import Loudness, make_recognizer

    def open_tones(*whatever: object) -> RecognizerPool:
        worker = ChildProcessRecognizer(make_recognizer, lambda line: None)
        return RecognizerPool([worker], make_vad=lambda config: Vad(config, Loudness()))

    serve.open_live = open_tones
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
