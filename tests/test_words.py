"""What people say by text is understood in every language that we write in, with any spelling that a phone makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.words import hear


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop.",
        " S T O P ",
        "ＳＴＯＰ",
        "“Stop”",
        "st\u200bop",
        "Please stop",
        "STOP STOP",
        "stop texting me",
        "please stop sending me these",
        "No! Stop!",
        "How do I stop these messages?",
        "No quiero más mensajes",
        "no, basta",
        "Opt out",
        "unsubscribe",
        "END",
        "quit",
        "revoke",
        "cancel",
        "Remove",
        "please do not contact me again",
        "delete my number",
        "STOP TEXTING ME NOW OR I WILL CALL THE POLICE AND MY LAWYER AND THE NEWS",
        "Terminar",
        "SALIR",
        "No quiero mensajes",
        "PARAR",
        "alto",
        "No más mensajes",
        "BASTA",
        "停止",
        "请停止",
        "退订",
        "取消訂閱",
        "不要再发短信了",
        "dừng",
        "DUNG",
        "ngừng gửi",
        "중지",
        "수신거부",
        "itigil",
        "توقف",
        "أوقف",
        "sispann",
        "arrêt",
        "ARRET",
        "стоп",
        "Отписаться",
        "sair",
    ],
)
def test_stop_is_heard(text: str) -> None:
    heard = hear(text)
    assert heard is not None
    assert heard.word == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "please stop",
        "Deténganse por favor",
        "Por favor dejen de escribirme",
        "请停止发送",
        "請不要再發",
        "vui lòng dừng lại",
        "xin đừng gửi nữa",
        "그만해 주세요",
        "중지 부탁드립니다",
        "문자 그만 보내주세요",
        "pakitigil",
        "itigil na po ninyo",
        "من فضلك توقف",
        "الرجاء إيقاف الرسائل",
        "tanpri sispann",
        "veuillez arrêter",
        "Merci d’arrêter",
        "arrêtez s'il vous plaît",
        "quero sair",
        "пожалуйста, остановите",
        "хватит писать",
    ],
)
def test_a_polite_stop_is_heard_in_every_language(text: str) -> None:
    heard = hear(text)
    assert heard is not None
    assert heard.word == "stop"


@pytest.mark.parametrize(
    "text", ["không dừng", "đừng lo", "não pare", "huwag itigil", "不要停止", "ne pas stop", "не стоп"]
)
def test_a_stop_that_is_turned_round_in_any_language_is_none(text: str) -> None:
    assert hear(text) is None


@pytest.mark.parametrize(
    ("text", "word", "language"),
    [
        ("START", "start", "en"),
        ("unstop", "start", "en"),
        ("Yes please", "yes", "en"),
        ("SÍ", "yes", "es"),
        ("是", "yes", "zh-Hans"),
        ("có", "yes", "vi"),
        ("نعم", "yes", "ar"),
        ("да", "yes", "ru"),
        ("help", "help", "en"),
        ("AYUDA", "help", "es"),
        ("도움말", "help", "ko"),
        ("wrong person", "wrong-person", "en"),
        ("Sorry, you have the wrong number", "wrong-person", "en"),
        ("wrong number, stop texting me", "wrong-person", "en"),
        ("número equivocado", "wrong-person", "es"),
        ("打错了", "wrong-person", "zh-Hans"),
        ("nhầm số", "wrong-person", "vi"),
        ("PARAR", "stop", "es"),
    ],
)
def test_other_words_are_heard_with_their_language(text: str, word: str, language: str) -> None:
    assert hear(text) == (word, language)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "👍",
        "???",
        "don't stop",
        "Please do not stop texting me",
        "no pare",
        "Where is the bus stop?",
        "Can you stop by the office?",
        "ok",
        "thanks",
        "When is my interview?",
        "Stop by the office is what they told me, but where is it and when does it open?",
        "My flight makes a stop in Chicago on the way home next week, is that fine with the program?",
        "nonstop",
        "backend",
        "Can I start my renewal now or should I wait until next month?",
    ],
)
def test_what_is_no_order_is_not_one(text: str) -> None:
    assert hear(text) is None


@given(st.text(max_size=160))
def test_any_text_is_heard_without_trouble(text: str) -> None:
    heard = hear(text)
    assert heard is None or heard.word in ("stop", "start", "yes", "help", "wrong-person")


@given(
    st.sampled_from(["stop", "parar", "стоп", "توقف", "停止"]), st.text(alphabet=" .!\u200b\u00a0-*_\"'", max_size=8)
)
def test_signs_and_spaces_around_a_word_change_nothing(word: str, noise: str) -> None:
    heard = hear(noise + word.upper() + noise)
    assert heard is not None
    assert heard.word == "stop"


def test_no_single_common_word_is_taken_for_a_wrong_person() -> None:
    for text in ("số", "رقم", "maling", "numero", "move", "bắt"):
        assert hear(text) is None, text
