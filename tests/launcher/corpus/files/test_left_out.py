"""What is left out is said by kind and number, what is likely to be a mistake first."""

from launcher.corpus.files.left_out import (
    MAX_EXAMPLES,
    MAX_KINDS,
    LeftOut,
    Likeliness,
    Tally,
    ending_of,
    left_out_text,
)


def test_a_hidden_corpus_file_comes_before_many_checksums() -> None:
    tally = Tally()
    for number in range(40):
        tally.add_unknown(f"a{number}.md5")
    tally.add_unknown("report.docx")
    tally.add("empty.jsonl", "empty file", Likeliness.EMPTY)
    tally.add_hidden("x/_part.jsonl", folder=False)
    tally.add_hidden("_SUCCESS", folder=False)
    assert left_out_text(tally.result()) == (
        "44 files left out: 1 hidden .jsonl, 1 empty file, 1 .docx, 40 .md5, 1 hidden file"
    )


def test_examples_are_few_and_printable() -> None:
    tally = Tally()
    for number in range(9):
        tally.add_unknown(f"{number}\x1b[31m.doc")
    tally.add_unknown("caf\udce9.xml")
    doc, xml = tally.result()
    assert len(doc.examples) == MAX_EXAMPLES
    assert xml.examples == ("caf\\udce9.xml",)
    assert "\x1b" not in left_out_text(tally.result(), examples=True)


def test_kinds_are_bounded() -> None:
    tally = Tally()
    for number in range(10_000):
        tally.add_unknown(f"a.x{number}")
    found = tally.result()
    assert len(found) == MAX_KINDS + 1
    assert sum(one.files for one in found) == 10_000
    assert "of other kinds" in left_out_text(found)


def test_endings_of_all_sorts() -> None:
    names = ["a.DOCX", "b.docx.GZ", "dir.x/LICENSE", "v1.final report", ".hidden", "x.averyverylongending"]
    assert [ending_of(name) for name in names] == [".docx", ".docx.gz", "", "", "", ""]


def test_words_for_one_and_for_many() -> None:
    one, many = LeftOut("dead link", 1, ("a",)), LeftOut("dead link", 2, ("a", "b"))
    assert left_out_text([one]) == "1 file left out: 1 dead link"
    assert left_out_text([many], examples=True) == "2 files left out: 2 dead links (a, b)"
    assert left_out_text([]) == ""
