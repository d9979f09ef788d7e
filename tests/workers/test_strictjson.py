from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.strictjson import DEEPEST, Malformed, NotJson, parsed, strict

ATTACKS = {
    "a hundred thousand lists": b"[" * 100_000 + b"]" * 100_000,
    "five megabytes of lists": b"[" * 2_500_000 + b"]" * 2_500_000,
    "deep and branching": b"[" * 60 + b"[[],[[],[[],[[],[[],[[]]]]]]]" * 1 + b"]" * 60,
    "deep objects": b'{"a":' * 100 + b"1" + b"}" * 100,
    "unbalanced objects": b'{"a":' * 1_000_000,
    "a million names": b"{" + b",".join(b'"k%d":1' % n for n in range(1_000_000)) + b"}",
    "two members of one name": b'{"a":1,"b":{"c":1,"c":2}}',
    "one name spelt twice": b'{"a":1,"\\u0061":2}',
    "infinity by exponent": b'{"a":1e400}',
    "minus infinity": b"[-1e999]",
    "infinity by digits": b"[" + b"9" * 400 + b".0]",
    "NaN": b'{"a":NaN}',
    "Infinity": b"[-Infinity]",
    "ten megabytes of digits": b"[" + b"1" * 10_000_000 + b"]",
    "five thousand digits": b"[" + b"1" * 5_000 + b"]",
    "65 bits": b"[18446744073709551616]",
    "minus 64 bits": b"[-9223372036854775809]",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_json_that_means_two_things_or_costs_too_much_is_refused_quickly(attack: str) -> None:
    began = time.process_time()
    with pytest.raises(Malformed):
        strict(ATTACKS[attack])
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize(
    "nearly",
    [
        b"[]," * 160_000,
        b"[" + b",".join([b'{"a":1.5}'] * 80_000) + b"]",
        (b"[" * 60 + b"]" * 60 + b",") * 2_000,
        b'"' * 1_900_000,
        b'"' + b"\\" * 4_999_998 + b'"',
        b"[" + b"1e9," * 200_000 + b"1]",
    ],
)
def test_what_is_just_within_the_limits_costs_little_too(nearly: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(Malformed, NotJson):
        strict(nearly)
    assert time.process_time() - began < 0.6


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"{", b"\xff\xfe{}", b'{"a":1}x', b"a=1&b=2", b'{"a":"\x01"}', b"\x00"]
)
def test_what_is_not_json_is_told_from_an_attack(body: bytes) -> None:
    with pytest.raises(NotJson):
        strict(body)


def test_depth_is_allowed_up_to_the_cap_and_brackets_in_text_do_not_count() -> None:
    deepest = b"[" * DEEPEST + b"]" * DEEPEST
    assert strict(deepest) == deepest
    text = json.dumps({"a": "[" * 100_000, "b": '\\"' + "{" * 100}).encode()
    assert strict(text) == text
    with pytest.raises(Malformed):
        strict(b"[" + deepest + b"]")


def test_a_byte_order_mark_is_taken_away() -> None:
    assert strict(b"\xef\xbb\xbf{}") == b"{}"


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    body = rb'{"a":"\ud83d\ude00 \ud800 \udc00\ud800 \\ud800 \u00e9"}'
    cleaned = strict(body)
    assert json.loads(cleaned)["a"] == "\N{GRINNING FACE} � �� \\ud800 é"
    assert orjson.dumps(json.loads(cleaned))


def test_numbers_of_64_bits_pass() -> None:
    body = b"[18446744073709551615,-9223372036854775808,1.5e10,1e-400,123456789012345678]"
    assert strict(body) is body


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(JSON, st.booleans())
def test_every_honest_document_passes_unchanged(document: object, plain: bool) -> None:
    body = json.dumps(document, ensure_ascii=plain).encode()
    assert json.loads(strict(body)) == document
    kept, read = parsed(body)
    assert repr(read) == repr(json.loads(kept)), "the document is what json.loads would say, types included"


NAMES = st.text(alphabet='a:"\\é', max_size=3)
SPELT = {":": "\\u003a", "a": "\\u0061"}


@given(
    st.lists(
        st.tuples(NAMES, st.booleans(), st.sampled_from(['":"', "1", "[]", '{"a" : ":"}', '"\\u003A"'])), max_size=5
    ),
    st.integers(0, 3),
)
def test_a_name_that_comes_twice_is_refused_however_it_is_spelt(
    members: list[tuple[str, bool, str]], depth: int
) -> None:
    names = [json.dumps(name)[1:-1] for name, _, _ in members]
    spelt = [
        "".join(SPELT.get(one, one) for one in name) if odd and "\\" not in name else name
        for name, (_, odd, _) in zip(names, members, strict=True)
    ]
    inner = ",".join(f'"{name}" : {value}' for name, (_, _, value) in zip(spelt, members, strict=True))
    body = ('[{"x":' * depth + "{" + inner + "}" + "}]" * depth).encode()
    if len(set(names)) < len(names):
        with pytest.raises(Malformed, match="two members of one name"):
            strict(body)
    else:
        assert strict(body) is body


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=30))
def test_what_passes_can_always_be_stored(text: str) -> None:
    body = json.dumps({"a": text}).encode()
    assert orjson.dumps(json.loads(strict(body)))


def test_every_captured_webhook_passes(reference_data: Path) -> None:
    count = 0
    for path in sorted(reference_data.rglob("webhooks/*/*.json")):
        body = path.read_bytes()
        if len(body) < 1_000_000:
            assert json.loads(strict(body)) == json.loads(body.removeprefix(b"\xef\xbb\xbf")), path
            count += 1
    assert count > 100
