from surtitle.pipeline.captions.track import CaptionTrack
from surtitle.pipeline.events import Caption, SourceSegment, Word
from surtitle.pipeline.translators.scheduler import Job, Scheduler

SPANISH = CaptionTrack("en", "es", "fresh")


def ignore(job: Job, caption: Caption | None) -> None: ...


def job(segment_id: int, revision: int = 0, *, final: bool = False, session: str = "a") -> Job:
    words = (Word("word", 0, 90, 1.0),)
    segment = SourceSegment(segment_id, revision, words, final)
    return Job(session, SPANISH, segment, heard_ms=1000 * segment_id, done=ignore)


def test_newer_revision_supersedes_waiting_one() -> None:
    scheduler = Scheduler()
    old, new = job(1, 0), job(1, 1)
    assert scheduler.add(old) is None
    assert scheduler.add(new) is old
    assert scheduler.take(8, ()) == [new]
    assert scheduler.take(8, ()) == []


def test_final_supersedes_the_draft_of_its_segment() -> None:
    scheduler = Scheduler()
    draft, final = job(1, 0), job(1, 1, final=True)
    scheduler.add(draft)
    assert scheduler.add(final) is draft
    assert scheduler.take(8, ()) == [final]


def test_finals_go_first_and_keep_their_order() -> None:
    scheduler = Scheduler()
    draft, first, second = job(1, session="b"), job(2, final=True), job(3, final=True)
    for one in draft, first, second:
        scheduler.add(one)
    assert scheduler.take(2, ()) == [first, second]
    assert scheduler.take(2, ()) == [draft]


def test_a_revision_waits_for_the_one_at_work() -> None:
    scheduler = Scheduler()
    final, other = job(1, 1, final=True), job(2)
    for one in final, other:
        scheduler.add(one)
    assert scheduler.take(8, {job(1).key}) == [other]
    assert scheduler.take(8, set()) == [final]


def test_sessions_do_not_supersede_each_other() -> None:
    scheduler = Scheduler()
    scheduler.add(job(1, session="a"))
    assert scheduler.add(job(1, session="b")) is None
    assert scheduler.count("a") == scheduler.count("b") == 1


def test_an_ended_session_leaves_the_queue() -> None:
    scheduler = Scheduler()
    for one in job(1, final=True), job(2), job(2, session="b"):
        scheduler.add(one)
    assert scheduler.oldest_heard_ms("a") == 1000
    scheduler.drop("a")
    assert scheduler.oldest_heard_ms("a") is None
    assert [one.session_id for one in scheduler.take(8, ())] == ["b"]
