"""The page of the state machine says what the tables say."""

from services.states import PAGE, page


def test_the_page_is_made_from_the_tables_that_the_fold_reads() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m services.states`"
