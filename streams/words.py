"""What a person says by text: STOP, START, YES, HELP, "wrong person", in every language that we write in.

The law counts any reasonable wording as STOP (47 CFR 64.1200(a)(10)), the provider only single English words; so every
text is read here too. Compared is the text without case, marks, spaces and signs, so that `S T O P`, `STOP.`, wide
letters and a missing accent are the same word; a short sentence counts by its phrases. What is not understood is
never a STOP: it gets HELP.
"""

import re
import unicodedata
from typing import Final, Literal, NamedTuple

Word = Literal["stop", "start", "yes", "help", "wrong-person"]


class Heard(NamedTuple):
    """What was said, and in which language: that of the word, the first of our list where several share it."""

    word: Word
    language: str


_STOP: Final = {
    "en": """stop stopall unsubscribe unsuscribe cancel end quit optout revoke remove; opt out; stop all; stop it;
        stop texting; stop texting me; stop texts; stop messages; stop sending; unsubscribe me; no more; no more texts;
        no more messages; do not text me; do not text; dont text me; stop contacting; do not contact me;
        dont contact me; remove me; remove my number; delete my number; take me off; leave me alone""",
    "es": """parar pare paren alto basta cancelar cancele detener detenga baja terminar salir; darme de baja;
        dar de baja; no mas; no mas mensajes; no mas textos; no me escriba; no me escriban; dejen de escribir;
        dejar de recibir; no enviar; no envien mas; no quiero mas; ya no quiero; no quiero recibir; no quiero mensajes;
        detenganse; dejen de""",
    "zh-Hans": "停止 退订 取消 取消订阅 停 不要再发 别再发 不要发短信 不要再发短信",
    "zh-Hant": "停止 退訂 取消訂閱 停 不要再發 別再發 不要發簡訊 不要再發簡訊",
    "vi": """; dừng; ngừng; ngưng; hủy; hủy bỏ; thôi; dừng lại; ngừng gửi; không gửi nữa; đừng nhắn nữa; đừng gửi nữa;
        hủy đăng ký""",
    "ko": """중지 정지 그만 취소 해지 수신거부 중단 그만해 그만해주세요 중지해주세요 멈춰주세요; 수신 거부;
        그만 보내세요; 그만 보내주세요; 보내지 마세요; 보내지 말아""",
    "tl": """itigil tigil ihinto hinto tumigil pakitigil kanselahin ayoko; tigil na; itigil na; tama na; huwag na;
        wag na""",
    "ar": """توقف قف أوقف أوقفوا إيقاف الغاء إلغاء كفى; الغاء الاشتراك; إلغاء الاشتراك; إيقاف الرسائل;
        أوقف الرسائل; أوقفوا الرسائل; لا ترسل; لا ترسلوا""",
    "ht": "rete sispann kanpe anile ase; sispann voye; pa voye; pa ekri m",
    "fr": """arret arreter arretez stopper annuler desabonner desabonnement fin; plus de messages;
        ne plus recevoir; merci d'arreter""",
    "pt-BR": "pare parar sair cancelar chega descadastrar; quero sair; nao quero mais; nao enviar; nao envie mais",
    "ru": """стоп хватит отмена отменить отписаться прекратить прекратите остановите отписка;
        хватит писать; прекратите писать; не пишите; не писать;
        больше не пишите""",
}
_START: Final = {
    "en": "start unstop resume subscribe; opt in; start again; start texts",
    "es": "iniciar empezar comenzar reanudar inicio alta",
    "zh-Hans": "开始 恢复 订阅",
    "zh-Hant": "開始 恢復 訂閱",
    "vi": "; bắt đầu; tiếp tục; đăng ký",
    "ko": "시작 다시시작 재개 구독",
    "tl": "simulan magsimula umpisahan",
    "ar": "ابدأ ابدا بدء استئناف اشتراك",
    "ht": "komanse kòmanse rekòmanse abòne",
    "fr": "commencer demarrer reprendre debut",
    "pt-BR": "iniciar comecar retomar inicio",
    "ru": "старт начать возобновить подписаться",
}
_YES: Final = {
    "en": "yes y yeah yep; yes please; i agree",
    "es": "si sí; si por favor; de acuerdo",
    "zh-Hans": "是 是的 好 好的 同意",
    "zh-Hant": "是 是的 好 好的 同意",
    "vi": "có vâng; đồng ý",
    "ko": "예 네 네네 동의",
    "tl": "oo opo; sige",
    "ar": "نعم اجل أجل موافق",
    "ht": "wi dakò",
    "fr": "oui; d accord",
    "pt-BR": "sim",
    "ru": "да согласен согласна",
}
_HELP: Final = {
    "en": "help info; help me; who is this; what is this",
    "es": "ayuda auxilio; quien es; informacion",
    "zh-Hans": "帮助 帮忙 求助",
    "zh-Hant": "幫助 幫忙 求助 說明",
    "vi": "giúp; trợ giúp; giúp đỡ; hỗ trợ",
    "ko": "도움 도움말 도와주세요",
    "tl": "tulong saklolo",
    "ar": "مساعدة ساعدني معلومات",
    "ht": "èd ede; ede m",
    "fr": "aide; aidez moi",
    "pt-BR": "ajuda socorro",
    "ru": "помощь помогите справка",
}
_WRONG: Final = {
    "en": """; wrong person; wrong number; wrong phone; not me; this is not me; this isnt me; not my number; dont know
        this person; do not know this person; not this person; you have the wrong number; you have the wrong person""",
    "es": "equivocado; numero equivocado; persona equivocada; no soy yo; no es mi numero; se equivoco; se equivocaron",
    "zh-Hans": "打错了 发错了 错号 不是我 号码错误 发错人了",
    "zh-Hant": "打錯了 發錯了 錯號 不是我 號碼錯誤 發錯人了",
    "vi": "; nhầm số; sai số; nhầm người; sai người; không phải tôi",
    "ko": "잘못보냈어요 틀린번호; 잘못된 번호; 번호 틀렸어요; 저 아니에요; 다른 사람이에요",
    "tl": "; maling tao; maling numero; hindi ako; mali ang numero",
    "ar": "; رقم خطأ; الرقم خطأ; شخص خطأ; لست انا; لست أنا; رقم خاطئ",
    "ht": "; move nimewo; move moun; se pa mwen; nimewo a pa bon",
    "fr": "; mauvais numero; mauvaise personne; ce n est pas moi; erreur de numero; faux numero",
    "pt-BR": "; numero errado; pessoa errada; nao sou eu; engano; nao conheco essa pessoa",
    "ru": "ошиблись; не тот номер; не тот человек; это не я; неправильный номер; вы ошиблись",
}

_ALL: Final[tuple[tuple[Word, dict[str, str]], ...]] = (
    ("wrong-person", _WRONG),
    ("stop", _STOP),
    ("start", _START),
    ("help", _HELP),
    ("yes", _YES),
)

_ORDER: Final = 6
_LETTER: Final = 12
"""Words up to which a strong word, or a phrase, counts inside a sentence; a longer text is a letter, not an order."""

_STRONG: Final = frozenset(
    {
        "stop",
        "unsubscribe",
        "optout",
        "revoke",
        "parar",
        "pare",
        "basta",
        "arretez",
        "sispann",
        "itigil",
        "стоп",
        "отписаться",
    }
)
_LEADING: Final = frozenset({"stop", "unsubscribe", "optout"})
"""What counts before a text of any length: who begins so gives an order, and then says why."""

_NOT: Final = frozenset({"dont", "not", "never", "non", "nao", "pas", "pa", "huwag", "wag", "не"})
"""Right before a word they turn it round: "please do not stop texting me"."""

_TURNED_BY_NO: Final = frozenset({"parar", "pare"})
"""What a Spanish "no" turns round. In English "no, stop" is a STOP, and so is "no, basta"."""


_PLACES: Final = frozenset({"bus", "train", "tram", "subway", "metro", "next", "first", "last", "final", "pit"})
_VISITS: Final = frozenset({"by", "over", "sign"})
"""What makes of `stop` a place (the bus stop), or a visit (to stop by), where it stands before or behind it."""

_NOT_JOINED: Final = ("不", "不要", "不用", "别", "別")
"""What turns a word round in a script without spaces, where it stands right before it."""

_SAME_LETTER: Final = str.maketrans({"đ": "d", "ı": "i", "'": None, "\u2019": None, "ة": "ه", "ى": "ي", "\u0640": None})


def _words(text: str) -> list[str]:
    """The words of a text without case, marks and signs. Marks go, since people type them or not."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in plain if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", letters.translate(_SAME_LETTER)))


_POLITE: Final = frozenset(
    _words(
        """please pls now me this all thanks thank you ok por favor gracias ya svp merci s'il vous plait veuillez
        vui lòng làm ơn xin 제발 좀 부탁드립니다 pakiusap po na ninyo nyo من فضلك رجاء الرجاء لو سمحت tanpri silvouplè
        пожалуйста прошу"""
    )
)


def _entries(written: str) -> list[list[str]]:
    """The entries of a list: up to the first `;` single words, behind each `;` a phrase."""
    singles, *phrases = written.split(";")
    return [_words(entry) for entry in (*singles.split(), *phrases)]


def _index() -> tuple[dict[str, Heard], dict[tuple[str, ...], Heard]]:
    whole: dict[str, Heard] = {}
    inside: dict[tuple[str, ...], Heard] = {}
    for word, languages in _ALL:
        for language, written in languages.items():
            for entry in _entries(written):
                whole.setdefault("".join(entry), Heard(word, language))
                wide = len(entry) > 1 or (language.startswith("zh") and len(entry[0]) > 1)
                if word in ("stop", "wrong-person") and wide:
                    inside.setdefault(tuple(entry), Heard(word, language))
    return whole, inside


_WHOLE, _INSIDE = _index()


def hear(text: str) -> Heard | None:
    """What a text asks of us; None when it is not understood."""
    words = _words(text)
    said = "".join(words)
    if said in _WHOLE:
        return _WHOLE[said]
    bare = "".join(word for word in words if word not in _POLITE)
    if bare in _WHOLE:
        return _WHOLE[bare]
    if not words:
        return None
    if len(words) <= _LETTER:
        for phrase, heard in _INSIDE.items():
            if _contains(words, said, phrase):
                return heard
    if len(words) <= _ORDER:
        return next((_WHOLE[word] for at, word in enumerate(words) if word in _STRONG and _meant(words, at)), None)
    return _WHOLE[words[0]] if words[0] in _LEADING and _meant(words, 0) else None


def _contains(words: list[str], said: str, phrase: tuple[str, ...]) -> bool:
    if len(phrase) == 1:  # a script without spaces
        before, found, _ = said.partition(phrase[0])
        return bool(found) and len(said) <= _LETTER and not before.endswith(_NOT_JOINED)
    size = len(phrase)
    places = (at for at in range(len(words) - size + 1) if tuple(words[at : at + size]) == phrase)
    return any(_meant(words, at) for at in places)


def _meant(words: list[str], at: int) -> bool:
    """Whether the word at that place says what it says alone."""
    before, word = words[at - 1] if at else "", words[at]
    if before in _NOT or (before == "no" and word in _TURNED_BY_NO):
        return False
    after = words[at + 1] if at + 1 < len(words) else ""
    return word != "stop" or (before not in _PLACES and after not in _VISITS)
