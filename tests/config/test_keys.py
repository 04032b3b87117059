"""The keys of the configuration one by one."""

from __future__ import annotations

import msgspec
from msgspec.inspect import FloatType, IntType

from homecall_pi.config.ice import IceServer
from homecall_pi.config.keys import Section, keys, section, sections
from homecall_pi.config.schema import Config
from homecall_pi.core.rooms import MAX_OFFER_AGE_S


def test_every_section_is_there_in_its_order_after_the_keys_without_one():
    structs = [name for name, value in msgspec.structs.asdict(Config()).items() if is_struct(value)]
    assert [each.name for each in sections()] == ["", *structs]


def is_struct(value: object) -> bool:
    return isinstance(value, msgspec.Struct)


def test_a_key_has_its_place_and_its_default():
    config = Config()
    for key in keys():
        value: object = config
        for part in key.place:
            value = getattr(value, part)
        assert key.default == value


def test_every_key_is_explained():
    entries = section("servers", IceServer)
    assert [key.place for key in (*keys(), *entries.keys) if not key.description] == []


def test_every_section_says_what_it_is():
    assert [each.name for each in sections() if not each.about] == []


def test_every_number_has_bounds():
    for key in keys():
        if isinstance(key.type, IntType | FloatType):
            lowest = key.type.ge if key.type.gt is None else key.type.gt
            assert lowest is not None
            assert key.type.le is not None


def test_a_ring_waits_no_longer_than_the_server_keeps_its_offer():
    (ring_s,) = (key.type.le for key in keys() if key.place == ("call", "ring_s"))
    assert ring_s <= MAX_OFFER_AGE_S


def test_a_unit_is_told_by_the_end_of_the_name():
    class Measures(msgspec.Struct):
        """All kinds."""

        ring_s: float = 0.0
        bitrate_bps: int = 0
        gain_db: float = 0.0
        width: int = 0
        port: int = 0

    measures: Section = section("measures", Measures)
    assert [key.unit for key in measures.keys] == ["seconds", "bits per second", "dB", "pixels", ""]


def test_what_has_to_be_given_has_no_default():
    urls, username, *_ = section("servers", IceServer).keys
    assert urls.default is msgspec.NODEFAULT
    assert username.default is None
