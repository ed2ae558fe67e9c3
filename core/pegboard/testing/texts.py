"""Texts that the kit trains and tests tokenizers on."""

from __future__ import annotations

__all__ = ["TRAINING_TEXTS", "UNICODE_TEXTS", "UNSEEN_TEXT"]

UNSEEN_TEXT = "ᚠᚢᚦ ꙮꙮ"
"""Two words of letters that no training text has."""

TRAINING_TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "Tokenizing text is a core task of language processing.",
    "we walked home in the rain and it was lovely",
    "I can't believe it's not raining again!",
    "no, no, no: that is not what was said",
    "numbers like 3, 14 and 159 are tokens, too",
    "state-of-the-art results (on paper)",
    "an email to someone@example.org, sent at 10:45",
    "wait... what? really?! yes.",
    "unbelievable uncommon unhappiness",
    "tokens token tokenizer tokenization",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "UPPER lower MiXeD",
    "naïve café, piñata, Ångström, smørrebrød",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le renard brun saute par-dessus le chien paresseux",
    "быстрая коричневая лиса",
    "η γρήγορη καφέ αλεπού",
    "敏捷的棕色狐狸跳过懒狗",
    "빠른 갈색 여우",
    "الثعلب البني السريع",
    "השועל החום המהיר",
    "तेज भूरी लोमड़ी",
    "happy 😀 sad 😢 ok 👍",
    "spaces  between   words",
    "tabs\tand\nnew lines",
    "one",
    "two words",
    "the same words the same words the same words",
    "price: 12.50 € or $13 (+5 %)",
    "she said “hello” — and left",
    "#hashtag @mention https://example.org/path?x=1",
    "he ran and ran and ran until the road came to an end near the sea",
    "love, joy, anger, fear, sadness and surprise",
    "good morning good evening good night",
    "last but not least",
]

UNICODE_TEXTS = [
    "e\u0301 is é, decomposed",
    " \u0301 a mark without a letter",
    "a\u0323\u0307 and a\u0307\u0323",
    "👩\u200d👩\u200d👧\u200d👦 family, 👍🏽 skin, 🇰🇷 flag",
    "한글 composed, \u1112\u1161\u11ab decomposed",
    "\u202eright to left override\u202c",
    "שלום עולם مرحبا بالعالم",
    "null \x00 inside",
    "bell \x07 escape \x1b delete \x7f",
    "no-break\u00a0space, thin\u2009space, ideographic\u3000space",
    "zero\u200bwidth\u200bspace, byte order mark \ufeff",
    "line\u2028separator, next\u0085line, \r\n and \r",
    "ﬁ ligature, ① circled, Ⅷ roman, ½ half, ㎏",
    "İstanbul, ΣΊΣΥΦΟΣ, straße, ŉ",
    "𝔣𝔯𝔞𝔨𝔱𝔲𝔯 𐍈 𠜎 𝟘 plane one and two",
    "\ue000 private use, \U000f0000 and \U0010fffd",
    "noncharacters \ufffe \uffff \U0001ffff",
    "�� replacement",
    "ไม่มีช่องว่าง ကမ္ဘာ ខ្មែរ",
    "[UNK] [PAD] [CLS] [SEP] [MASK] <s> </s>",
    "##continuation ## #",
    "                    many spaces                    ",
    "x" * 3000,
    "\u0300" * 200,
]
