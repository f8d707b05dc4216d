"""A recognizer on other machines is one like all others, while they are there and while not."""

from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.cluster import RECOGNIZER, WorkersLost
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess, Recognizer, WorkerLost, remote
from surtitle.pipeline.recognizers.child_work import Traits
from surtitle.pipeline.recognizers.remote import RemoteRecognizer, StandIn

from ..cluster.scripted_calls import ScriptedCluster
from ..scripted_recognizer import ScriptedRecognizer

SOUND = Utterance(0, np.zeros(16_000, np.float32))
WORDS = [Word("good", 0, 300, 1.0), Word("morning", 300, 900, 1.0)]
HERE = "these words are heard here"


class Here:
    """What is opened in place of the cluster."""

    def __init__(self, error: RecognizerError | None = None) -> None:
        self.opened = 0
        self.recognizer = ScriptedRecognizer(HERE)
        self._error = error

    def make(self) -> Recognizer:
        self.opened += 1
        if self._error is not None:
            raise self._error
        return self.recognizer


def recognizer(cluster: ScriptedCluster, here: Here | None = None) -> RemoteRecognizer:
    traits = Traits.of(ScriptedRecognizer("x"))
    return RemoteRecognizer(cluster, RECOGNIZER, traits, StandIn((here or Here()).make))


def test_an_utterance_is_one_call_with_all_that_it_needs() -> None:
    cluster = ScriptedCluster(recognize=WORDS, guess_language=LanguageGuess("es", 0.9))
    remote_one = recognizer(cluster)
    assert remote_one.recognize(SOUND, "en", ("harbor",), is_draft=True) == WORDS
    assert remote_one.guess_language(SOUND) == LanguageGuess("es", 0.9)
    assert cluster.asked[0][:3] == (RECOGNIZER, "recognize", (SOUND, "en", ("harbor",), True))
    assert cluster.asked[1][:3] == (RECOGNIZER, "guess_language", (SOUND,))


def test_it_says_of_itself_what_the_workers_say() -> None:
    one, other = recognizer(ScriptedCluster()), ScriptedRecognizer("x")
    assert (one.name, one.languages, one.is_written) == (
        other.name,
        other.languages,
        other.is_written,
    )
    assert (one.live_vad, one.file_vad) == (other.live_vad, other.file_vad)


def test_what_the_worker_raises_is_raised() -> None:
    cluster = ScriptedCluster(recognize=RecognizerError("no model"))
    with pytest.raises(RecognizerError, match="^no model$"):
        recognizer(cluster).recognize(SOUND, "en")


def test_workers_that_are_lost_make_the_pool_ask_again() -> None:
    cluster = ScriptedCluster(recognize=WorkersLost("all died"))
    with pytest.raises(WorkerLost, match="all died"):
        recognizer(cluster).recognize(SOUND, "en")


def test_a_call_that_nobody_answers_is_given_up_and_the_cluster_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "ANSWER_S", 0.05)
    monkeypatch.setattr(remote, "TIMES", 0.0)
    cluster = ScriptedCluster()
    with pytest.raises(WorkerLost, match="did not answer in time"):
        recognizer(cluster).recognize(SOUND, "en")
    assert cluster.asked[0].answer.cancelled()


def test_while_the_cluster_is_away_what_is_here_listens() -> None:
    cluster, here = ScriptedCluster(recognize=WORDS), Here()
    one = recognizer(cluster, here)
    cluster.there.clear()
    heard = one.recognize(SOUND, "en", ("harbor",), is_draft=True)
    assert heard and heard[0].text == "these"
    assert here.recognizer.calls[0][1:] == (True, "en", ("harbor",))
    cluster.there.set()
    assert one.recognize(SOUND, "en") == WORDS
    cluster.there.clear()
    one.recognize(SOUND, "en")
    assert here.opened == 1


def test_a_language_that_nothing_here_hears_waits_for_the_cluster() -> None:
    cluster = ScriptedCluster()
    cluster.comes_back = True
    cluster.there.clear()
    with pytest.raises(WorkerLost, match="away"):
        recognizer(cluster).recognize(SOUND, "xx")
    assert not cluster.is_away


def test_where_nothing_can_listen_here_that_is_found_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "WAIT_S", 0.0)
    cluster, here = ScriptedCluster(), Here(RecognizerError("no weights"))
    cluster.there.clear()
    one = recognizer(cluster, here)
    for _ in range(2):
        with pytest.raises(WorkerLost):
            one.recognize(SOUND, "en")
    assert here.opened == 1


def test_a_stand_in_that_is_closed_closes_what_it_has_opened() -> None:
    cluster, here = ScriptedCluster(), Here()
    cluster.there.clear()
    stand_in = StandIn(here.make)
    one = RemoteRecognizer(cluster, RECOGNIZER, Traits.of(here.recognizer), stand_in)
    one.recognize(SOUND, "en")
    stand_in.close()
    assert here.recognizer.is_closed


def test_a_recognizer_that_is_closed_asks_nobody() -> None:
    cluster = ScriptedCluster(recognize=WORDS)
    one = recognizer(cluster)
    one.close()
    with pytest.raises(RecognizerError, match="closed"):
        one.recognize(SOUND, "en")
    assert not cluster.asked
