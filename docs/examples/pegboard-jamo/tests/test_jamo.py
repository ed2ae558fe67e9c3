import unicodedata

from pegboard.testing import TokenizerConformance
from pegboard_jamo import FIRST_SYLLABLE, SYLLABLES, JamoOptions, JamoTokenizer


class TestJamo(TokenizerConformance):
    component = "jamo"


def test_every_syllable_splits_as_unicode_says_and_comes_back():
    tokenizer = JamoTokenizer(JamoOptions())
    for code in range(FIRST_SYLLABLE, FIRST_SYLLABLE + SYLLABLES):
        pieces = tokenizer.split(chr(code))
        assert "".join(pieces) == unicodedata.normalize("NFD", chr(code))
        assert tokenizer.join(pieces) == chr(code)


def test_all_syllables_need_67_jamo():
    tokenizer = JamoTokenizer(JamoOptions())
    syllables = "".join(map(chr, range(FIRST_SYLLABLE, FIRST_SYLLABLE + SYLLABLES)))
    assert len(set(tokenizer.split(syllables))) == 19 + 21 + 27


def test_neighbouring_syllables_are_kept_apart():
    tokenizer = JamoTokenizer(JamoOptions(max_length=64))
    tokenizer.train(["가나다 각난닫 ㄱㅏ a가b"])
    for text in ["가 나", "각나", "가각", "난닫가", "ㄱㅏ", "a가b"]:
        [ids] = tokenizer.encode_batch([text]).to_pylist()
        assert tokenizer.decode(ids) == text
