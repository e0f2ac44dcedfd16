"""The libraries that read documents, and their versions here and on rented machines."""

from importlib import metadata

import pytest

from tasks.formats.documents.readers import (
    LIBRARIES,
    LOCKS,
    NoReader,
    check_readable,
    installed_versions,
    libraries_of,
    locked_versions,
)


def test_only_html_and_pdf_are_read_by_libraries() -> None:
    assert libraries_of({"pdf", "jsonl", "document", "docx"}) == ("pypdfium2",)
    assert libraries_of({"html", "pdf"}) == ("pypdfium2", "selectolax")
    assert libraries_of({"parquet"}) == ()


def test_versions_here_name_the_build_of_pdfium() -> None:
    found = installed_versions(("pypdfium2", "selectolax", "no-such-library"))
    assert found["pypdfium2"] == metadata.version("pypdfium2")
    assert found["selectolax"] == metadata.version("selectolax")
    assert found["pdfium"].isdigit()
    assert len(found) == 3
    assert "pdfium" not in installed_versions(("selectolax",))


def test_every_lock_pins_the_readers_that_the_first_does() -> None:
    wanted = locked_versions(tuple(LIBRARIES.values()))
    assert set(wanted) == set(LIBRARIES.values())
    for lock in ("hash.txt", "torch.txt", "vllm.txt"):
        text = (LOCKS / lock).read_text(encoding="utf-8")
        for library, version in wanted.items():
            assert f"\n{library}=={version} " in text, (lock, library)


def test_a_format_whose_library_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIBRARIES, "pdf", "no_such_library")
    check_readable({"html", "docx"})
    with pytest.raises(NoReader, match=r"this corpus has \.pdf files, and no_such_library") as error:
        check_readable({"html", "pdf"})
    assert error.value.hint.startswith("pip install 'embedfleet[documents]'")
