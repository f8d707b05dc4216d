"""One frozen dataclass per stage, checked when it is made and built once in cli.py."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, get_args

Engine = Literal["auto", "moonshine", "whisper", "recorded"]
SubtitleFormat = Literal["srt", "vtt", "ass", "ttml"]
SUBTITLE_FORMATS: tuple[SubtitleFormat, ...] = get_args(SubtitleFormat)


@dataclass(frozen=True, slots=True)
class VadConfig:
    """How speech is cut into utterances.

    Speech begins where the speech probability reaches `threshold` and ends when it has been below
    `end_threshold` for `min_silence_ms`. An utterance is padded with `speech_pad_ms` of what
    surrounds it; speech shorter than `min_speech_ms` is dropped; an utterance that would grow
    beyond `max_utterance_ms` is split at the quietest place of its last third.
    """

    threshold: float = 0.5
    end_threshold: float = 0.35
    min_silence_ms: int = 500
    speech_pad_ms: int = 200
    min_speech_ms: int = 100
    max_utterance_ms: int = 30_000

    def __post_init__(self) -> None:
        if not 0 < self.end_threshold <= self.threshold < 1:
            raise ValueError(
                "0 < end_threshold <= threshold < 1 must hold, "
                f"got {self.end_threshold} and {self.threshold}"
            )
        if self.speech_pad_ms < 0 or self.min_speech_ms < 0:
            raise ValueError(
                "speech_pad_ms and min_speech_ms must not be negative, "
                f"got {self.speech_pad_ms} and {self.min_speech_ms}"
            )
        if self.min_silence_ms < 2 * self.speech_pad_ms:  # else neighbors would overlap
            raise ValueError(
                f"min_silence_ms must be at least twice speech_pad_ms ({self.speech_pad_ms}), "
                f"got {self.min_silence_ms}"
            )
        if self.max_utterance_ms < 1000 + 2 * self.speech_pad_ms:
            raise ValueError(
                "max_utterance_ms must be at least 1000 plus twice speech_pad_ms "
                f"({self.speech_pad_ms}), got {self.max_utterance_ms}"
            )


@dataclass(frozen=True, slots=True)
class RecognizerConfig:
    """Which recognizer listens.

    `model` is a Whisper model by hub name ("small", "Systran/faster-whisper-small") or a local
    folder; "auto" takes one that suits the device, or is there. For "recorded" it is a file of
    words (recognizers/recorded.py). `terms` are names and expressions to expect. Live, `processes`
    listen at once, each with the weights; None: as many as suit the machine.
    """

    engine: Engine = "auto"
    model: str = "auto"
    terms: tuple[str, ...] = ()
    processes: int | None = None

    def __post_init__(self) -> None:
        if self.processes is not None and not 1 <= self.processes <= 64:
            raise ValueError(f"recognizers must be 1 to 64, got {self.processes}")
        if self.engine not in get_args(Engine):
            names = ", ".join(get_args(Engine))
            raise ValueError(f"engine must be one of {names}, got {self.engine!r}")
        if self.engine == "moonshine" and self.model != "auto":
            raise ValueError(f"Moonshine has one model; for {self.model} use --asr whisper")
        if self.engine == "recorded" and self.model == "auto":
            raise ValueError("recorded words need their file: --asr recorded --asr-model FILE")


@dataclass(frozen=True, slots=True)
class TranslatorConfig:
    """Which translator works: `name` is one of the registry's (pipeline/translators), or the
    address of an LLM server, like http://localhost:8000/v1.

    `checkpoints` are models for "own", "ct2" or "auto", by their names or folders, the first one
    that knows a direction first; none: those that are installed. `decoding` is that of our own
    models, canvas or verified; None: each its own. An LLM server is asked for
    `llm_model`, None: the one that it has; it gets `llm_requests` at once, with `llm_key`, a secret
    that is shown nowhere.
    """

    name: str = "auto"
    checkpoints: tuple[str, ...] = ()
    decoding: str | None = None
    llm_model: str | None = None
    llm_requests: int = 8
    llm_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.llm_requests <= 1000:
            raise ValueError(f"llm_requests must be 1 to 1000, got {self.llm_requests}")
        if self.llm_key is not None and re.fullmatch("[!-~]+", self.llm_key) is None:
            raise ValueError(
                "the key of an LLM server must be visible ASCII characters, not blanks"
            )
        if not self.is_address:
            if self.llm_model is not None:
                raise ValueError(
                    f"the LLM {self.llm_model!r} needs the address of its server, "
                    f"like http://localhost:8000/v1, as translator, not {self.name!r}"
                )
            return
        if self.checkpoints:
            raise ValueError(f"{self.name} is a server, which has its own checkpoints")
        # Whoever writes a password into an address would find it in logs. It is not shown here.
        if re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", self.name) is None:
            raise ValueError(
                "the address of an LLM server is like http://localhost:8000/v1, without a user, "
                "a password, ? or #"
            )

    @property
    def is_address(self) -> bool:
        return "://" in self.name


@dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """Where a segment ends when no sentence does.

    Raw words are parted by a pause of `pause_ms`. Where punctuation says what belongs together, or
    the last word leans on the next, only `long_pause_ms` parts them. A segment that would grow
    beyond `max_words` or `max_duration_ms` is cut at the best place of its later half.
    """

    pause_ms: int = 500
    long_pause_ms: int = 2000
    max_words: int = 24
    max_duration_ms: int = 10_000

    def __post_init__(self) -> None:
        if not 0 < self.pause_ms <= self.long_pause_ms:
            raise ValueError(
                "0 < pause_ms <= long_pause_ms must hold, "
                f"got {self.pause_ms} and {self.long_pause_ms}"
            )
        if self.max_words < 2:
            raise ValueError(f"max_words must be at least 2, got {self.max_words}")
        if self.max_duration_ms < 1000:
            raise ValueError(f"max_duration_ms must be at least 1000, got {self.max_duration_ms}")


CaptionMode = Literal["stable", "fresh"]
CAPTION_MODES: tuple[CaptionMode, ...] = get_args(CaptionMode)


ANY_LANGUAGE = "*"
AUTO = "auto"  # in place of a spoken language: it is found out by listening


@dataclass(frozen=True, slots=True)
class Term:
    """A word or expression of a glossary, and its translation by language or for ANY_LANGUAGE."""

    source: str
    targets: dict[str, str]


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """What a live session listens to and shows. Languages are ISO 639-1 codes.

    With AUTO as `source`, it is found out for each utterance, and may be one of the targets.
    `mode`: "stable" only appends to what is shown; "fresh" may take back a bounded part of it.
    With `speakers` final captions tell whose voice it is, by a number.
    """

    source: str
    targets: tuple[str, ...] = ()
    mode: CaptionMode = "fresh"
    terms: tuple[Term, ...] = ()
    speakers: bool = False

    def __post_init__(self) -> None:
        spoken = () if self.source == AUTO else (self.source,)
        for language in (*spoken, *self.targets):
            if re.fullmatch("[a-z]{2}", language) is None:
                raise ValueError(f"a language must be a code like en or es, got {language!r}")
        if self.mode not in CAPTION_MODES:
            raise ValueError(f"mode must be stable or fresh, got {self.mode!r}")
        if len(self.targets) != len(set(self.targets)) or self.source in self.targets:
            raise ValueError("each target language must be given once, and not be the source")


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """What to make of a recording.

    Languages are ISO 639-1 codes; `source` None: found out by listening. Files go to `output_dir`,
    None: beside the recording. `bilingual` adds files with both languages in each cue. `terms` are
    the glossary, `expected` what else the recognizer should expect to hear. With `speakers` it is
    told who speaks, as far as their voices differ; with `split_channels` each channel is a speaker.
    With `cuts_as_live` what is said is known soon: utterances are as short as those of live speech.
    """

    source: str | None = None
    targets: tuple[str, ...] = ()
    formats: tuple[SubtitleFormat, ...] = ("srt",)
    bilingual: bool = False
    output_dir: Path | None = None
    terms: tuple[Term, ...] = ()
    expected: tuple[str, ...] = ()
    speakers: bool = False
    split_channels: bool = False
    cuts_as_live: bool = False

    def __post_init__(self) -> None:
        if self.speakers and self.split_channels:
            raise ValueError("--split-channels tells who speaks already; leave out --speakers")
        for language in (*self.targets, *([] if self.source is None else [self.source])):
            if re.fullmatch("[a-z]{2}", language) is None:
                raise ValueError(f"a language must be a code like en or es, got {language!r}")
        for name in self.formats:
            if name not in SUBTITLE_FORMATS:
                raise ValueError(f"a format must be {', '.join(SUBTITLE_FORMATS)}, got {name!r}")
        if self.bilingual and not self.targets:
            raise ValueError("bilingual needs at least one target language")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The secrets of a server: one gives the right to publish and to view, one only to view."""

    publish: str
    view: str

    def __post_init__(self) -> None:
        for token in (self.publish, self.view):  # the value of a token is not shown, ever
            if re.fullmatch("[A-Za-z0-9._~-]{16,200}", token) is None:
                raise ValueError(
                    "a token must be 16 to 200 of A-Z a-z 0-9 . _ ~ -; --new-tokens makes good ones"
                )
        if self.publish == self.view:
            raise ValueError("the tokens to publish and to view must differ")


@dataclass(frozen=True, slots=True)
class FilesConfig:
    """What a server takes of recordings that are sent to it.

    `max_jobs` count each from its first byte to its end; one is worked on, the others wait or are
    on their way. A recording has at most `max_upload_bytes` and `max_recording_ms`; one that comes
    when less than `min_free_bytes` of the disk are free is refused, as live captions need it too.
    Results and sessions are kept `keep_days`, None: until somebody deletes them.
    """

    max_jobs: int = 20
    max_upload_bytes: int = 4 << 30
    max_recording_ms: int = 12 * 3600 * 1000
    min_free_bytes: int = 512 << 20
    keep_days: float | None = None

    def __post_init__(self) -> None:
        if self.keep_days is not None and not 0 < self.keep_days <= 36_500:
            raise ValueError(f"days to keep must be more than 0, got {self.keep_days:g}")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where the caption server listens, who may use it, and how much of it.

    Without `tokens` everyone may who reaches it, so it then listens on loopback only.
    `allowed_origins` are web pages of other servers that may connect, like https://example.com.
    A session stays `resume_s` without its publisher; at the end the open sessions have
    `shutdown_s` to show their last captions.

    WebRTC takes any free UDP port, or one of `webrtc_ports`, at the address that `host` is; there
    are at most `max_peers` at once. Nobody is asked how others see this computer but `stun_server`,
    a host and a port, where one is given.

    Of all connections there are at most `max_connections`, and `max_address_connections` of one
    address (a quarter: phones of a hall may share one) that have shown no token yet. A request, and
    a TLS handshake, must be there within `request_timeout_s`; an answer must be taken within
    `response_timeout_s`; between requests a connection is kept for `keep_alive_s`.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    tokens: Tokens | None = None
    allowed_origins: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    webrtc_ports: range = range(0)
    stun_server: tuple[str, int] | None = None
    max_message_bytes: int = 1 << 20
    max_sessions: int = 16
    max_peers: int = 50
    max_viewers: int = 2000
    max_room_viewers: int = 2000
    max_ahead_ms: int = 30_000
    max_connections: int = 2600
    max_address_connections: int = 650
    request_timeout_s: float = 10.0
    response_timeout_s: float = 60.0
    keep_alive_s: int = 5
    start_timeout_s: float = 10.0
    resume_s: float = 30.0
    shutdown_s: float = 10.0

    def __post_init__(self) -> None:
        if self.tokens is None and not self.is_loopback:
            raise ValueError(
                f"listening on {self.host!r} needs tokens, as others can reach it: start with "
                "--new-tokens, or set SURTITLE_PUBLISH_TOKEN and SURTITLE_VIEW_TOKEN"
            )
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"the port must be 0 to 65535, got {self.port}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both a certificate and a key: --tls-cert and --tls-key")
        if min(self.max_sessions, self.max_viewers, self.max_room_viewers) < 1:
            raise ValueError(
                "sessions, viewers and viewers of a room must be 1 or more at once, got "
                f"{self.max_sessions}, {self.max_viewers} and {self.max_room_viewers}"
            )
        if not 0 < self.max_address_connections <= self.max_connections:
            raise ValueError(
                "0 < max_address_connections <= max_connections must hold, "
                f"got {self.max_address_connections} and {self.max_connections}"
            )
        ports = self.webrtc_ports
        if ports.stop and not 1024 <= ports.start < ports.stop <= 65_536:
            raise ValueError(
                f"WebRTC ports must lie in 1024 to 65535, got {ports.start} to {ports.stop - 1}"
            )
        for origin in self.allowed_origins:
            if origin != "null" and re.fullmatch(r"https?://[^/\s?#@]+", origin) is None:
                raise ValueError(f"an origin is like https://example.com, got {origin!r}")

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this computer only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
