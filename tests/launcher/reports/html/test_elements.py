from launcher.reports.html.elements import Markup, join, shown_of, tag
from tests.support.html_reader import Reader


def test_text_is_escaped_unless_it_is_markup() -> None:
    assert tag("b", "<i>", Markup("<i>")) == "<b>&lt;i&gt;<i></b>"


def test_content_cannot_leave_an_attribute() -> None:
    assert tag("b", title='"><i>') == '<b title="&quot;&gt;&lt;i&gt;"></b>'


def test_joining_keeps_markup_and_escapes_text() -> None:
    assert join(Markup("<b>"), "&") == "<b>&amp;"


def test_attribute_of_none_is_left_out() -> None:
    assert tag("b", class_=None) == "<b></b>"


def test_number_of_hidden_rows_is_said() -> None:
    assert (shown_of(50, 1_200, "rows"), shown_of(3, 3, "rows")) == ("The first 50 of 1,200 rows.", "")


def test_reader_sees_tags_attributes_and_text() -> None:
    page = Reader('<p class="a">x<b>y</b>')
    assert (page.tags, page.attributes, page.text, page.open) == (["p", "b"], [("class", "a")], "xy", ["p"])
