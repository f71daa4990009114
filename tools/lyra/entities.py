"""The entities a vocabulary starts with: our own list, one line each, by kind."""

import re

from .vocabulary import EntityVocabulary, SemanticEntity

_SEEDS = {
    "creatures": """
person      c8a083  a person in plain clothes
dog         8a6a45  a short-haired dog
cat         7d7468  a cat with a striped coat
horse       6e4a2f  a brown horse
cow         5b4a3f  a brown and white cow
sheep       d9d2c3  a woolly sheep
deer        9a7248  a deer with slender legs
bird        4e5a63  a small grey bird
owl         84694a  an owl with round eyes
fish        7fa0ad  a silvery fish
butterfly   d98a2b  a butterfly with orange wings
wolf        6f6f72  a grey wolf
fox         c2632a  a red fox with a white-tipped tail
dragon      4f6b3c  a dragon with leathery wings
""",
    "space": """
star        f4efd8  a bright point of starlight
planet      b5835a  a banded planet
moon        b9b7b0  a cratered grey moon
sun         ffe9a8  a low sun
comet       c9dcec  a comet with a pale tail
asteroid    6b645c  a pitted asteroid
galaxy      8f86b8  a spiral galaxy
nebula      a0568f  a glowing nebula
satellite   a9adb3  a satellite with solar panels
space station c0c4c8  a space station of white modules
rocket      dcdcdc  a tall white rocket
spacecraft  9aa1a8  a spacecraft with a scuffed hull
""",
    "structures": """
house       b49a7c  a house with a pitched roof
tower       a39a8d  a tall stone tower
castle      8d877d  a castle of grey stone
bridge      8a8176  an arched bridge
wall        b8b0a4  a plastered wall
door        7a5334  a panelled wooden door
window      a8c0cc  a window with thin frames
roof        8f4d3a  a roof of clay tiles
stairs      9e968c  a flight of stone steps
fence       8c7355  a wooden fence
road        5f5f61  an asphalt road
street lamp 3f4347  an iron street lamp
bench       775b3d  a slatted bench
church      a79f92  a church with a pointed spire
barn        9b3d31  a red barn
windmill    c7bba6  a windmill with four sails
lighthouse  e6e1d8  a white lighthouse
pillar      c0b8aa  a round stone pillar
crate       9a7a4f  a wooden crate
""",
    "nature": """
tree        4f6d34  a broad-leaved tree
palm tree   6b8042  a tall palm with arching fronds
pine tree   2f4f34  a dark pine
bush        557040  a rounded bush
grass       6a8c3f  short green grass
flower      d4577a  a flower in bloom
rose        b5203c  a red rose
fern        4a7a3d  a fern with fine leaves
mushroom    b0714e  a mushroom with a brown cap
cactus      5d8050  a ribbed cactus
rock        807a72  a weathered rock
cliff       8b7d6b  a layered cliff
mountain    6f7a85  a distant mountain
hill        789454  a grassy hill
valley      7c9460  a wide valley
river       4c7a8c  a winding river
lake        5b8ea3  a still lake that mirrors the sky
waterfall   cfe3ea  a waterfall over ledges
beach       dcc79b  a sandy beach
sea         2f6f8f  an open sea with low waves
island      7f9a5c  a small island
desert      d3ae6f  a desert of low dunes
forest      3b5a33  a dense forest
snow        eef2f5  fresh snow
ice         c5dfe8  clear blue ice
""",
    "effects": """
fire        f08a24  a fire with orange flames
smoke       8c8c8c  drifting grey smoke
fog         c7ccd0  low fog
mist        d3d9dc  thin mist
cloud       e3e7ea  a white cloud
rain        8fa2ad  falling rain
rainbow     c49ac0  a faint rainbow
lightning   e8e6ff  a fork of lightning
spark       ffc65c  a flying spark
dust        c2ab88  dust hanging in the light
steam       e2e6e8  rising steam
aurora      5fd39a  a green aurora
shadow      3a3c40  a long soft shadow
reflection  9fb3bf  a reflection on a wet surface
sunbeam     fff0bd  a sunbeam through the air
bubble      d5ecf2  a clear bubble
firefly     e6f06a  a glowing firefly
explosion   f2a33a  a burst of fire and smoke
""",
}


_LINE = re.compile(r"(?P<name>\S.*?) +(?P<colour>[0-9a-f]{6}) +(?P<string>\S.*)")


def seeds() -> dict[str, list[SemanticEntity]]:
    """By kind."""
    out: dict[str, list[SemanticEntity]] = {}
    for kind, lines in _SEEDS.items():
        read = [_LINE.fullmatch(line) for line in lines.strip().splitlines()]
        out[kind] = [_entity(*m.group("name", "colour", "string")) for m in read if m]
    return out


def seed_vocabulary() -> EntityVocabulary:
    """A new vocabulary that knows all of them."""
    vocabulary = EntityVocabulary()
    for of_kind in seeds().values():
        for entity in of_kind:
            vocabulary.add(entity)
    return vocabulary


def _entity(name: str, colour: str, string: str) -> SemanticEntity:
    red, green, blue = bytes.fromhex(colour)
    return SemanticEntity(name, string, (red, green, blue))
