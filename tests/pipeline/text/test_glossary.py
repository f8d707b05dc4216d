import json
from pathlib import Path

import pytest

from surtitle.pipeline.config import ANY_LANGUAGE, Term
from surtitle.pipeline.text.glossary import contains, parse_terms, read_terms, required

TERMS = json.loads((Path(__file__).parents[2] / "terms.json").read_text(encoding="utf-8"))
FILE = """
# names
Tatiana
harbor = es: puerto; de: Hafen
old town=casco antiguo  # everywhere
"""


def test_terms_of_a_file() -> None:
    assert parse_terms(FILE) == (
        Term("Tatiana", {}),
        Term("harbor", {"es": "puerto", "de": "Hafen"}),
        Term("old town", {ANY_LANGUAGE: "casco antiguo"}),
    )


@pytest.mark.parametrize("line", TERMS["bad"])
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_terms("Tatiana\n" + line)


def test_a_byte_order_mark_is_no_part_of_a_term(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("Tatiana\nharbor = puerto", encoding="utf-8-sig")
    assert [term.source for term in read_terms(tmp_path / "terms.txt")] == ["Tatiana", "harbor"]


def test_only_terms_in_the_text_are_required() -> None:
    terms = parse_terms(FILE)
    assert required("The Harbor of the old town, Tatiana.", terms, "es") == (
        "puerto",
        "casco antiguo",
    )
    assert required("harbors everywhere", terms, "es") == ()
    assert required("the harbor", terms, "fr") == ()


def test_an_expression_is_whole_words_in_any_case() -> None:
    assert contains("El Puerto, por fin", "puerto")
    assert not contains("puertos", "puerto")


def test_where_words_are_not_parted_a_term_may_stand_anywhere() -> None:
    assert contains("港は六時に開きます。", "港")
    assert contains("我们用GPU训练", "gpu")
    assert not contains("我们用GPUs训练", "GPU")
    assert contains("ไปที่ท่าเรือกันเถอะ", "ท่าเรือ")
    assert not contains("항구에서", "항")  # Korean parts its words


def test_a_term_may_be_any_characters() -> None:
    for term in ("C++", "(sic)", "日本[", "-", "]^\\"):
        assert contains(f"so {term} it is", term)


def test_a_number_sign_inside_a_term_begins_no_comment() -> None:
    (term,) = parse_terms("C# = Ce Sharp  # the language")
    assert required("I write C# every day.", [term], "es") == ("Ce Sharp",)


def test_a_tab_stands_for_the_equals_sign() -> None:
    assert parse_terms("harbor\tpuerto\n") == (Term("harbor", {ANY_LANGUAGE: "puerto"}),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("C # = Ce Sharp", "behind a #"),
        ("harbor, puerto", "a comma and no ="),
        ("harbor\tpuerto\tHafen", "more than one tab"),
    ],
)
def test_what_a_line_may_mean_otherwise_is_refused(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"line 1 of the terms has .*{reason}"):
        parse_terms(line)


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes("Tatiana\ncafé = Kaffee\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"terms\.txt: line 2 is not UTF-8"):
        read_terms(path)
    path.write_bytes("café = Kaffee\n".encode("utf-16"))
    assert read_terms(path) == (Term("café", {ANY_LANGUAGE: "Kaffee"}),)


def test_a_term_may_begin_inside_of_a_word_and_stand_whole_later() -> None:
    assert contains("the harbors of the harbor", "harbor")
    assert not contains("harbors and seaharbor, harbor_1", "harbor")
    assert not contains("", "harbor")
    assert not contains("harbor", "")
