"""Invented customers: names, mail addresses at example domains, addresses, languages."""

from __future__ import annotations

from random import Random
from typing import Any

FIRST = {
    "US": "Emily Jacob Olivia Noah Sophia Liam Ava Ethan Grace Daniel Hannah Marcus Chloe Owen Naomi Caleb Ruth Isaac"
          " Maya Theo Audrey Felix Nora Simon Clara Jonah Iris Leo Tessa Victor".split(),
    "DE": "Lena Jonas Mia Lukas Johanna Felix Greta Moritz Klara Anton Frieda Emil Ida Konrad Marlene Till Katrin"
          " Henrik Svenja Oskar".split(),
    "FR": "Camille Louis Manon Hugo Juliette Gabriel Inès Antoine Margaux Théo Élise Baptiste Clémence Rémi".split(),
    "JP": "Yui Haruto Aoi Sota Hana Ren Mei Yuto Sakura Kaito Rin Daiki Emi Takumi".split(),
}  # fmt: skip
LAST = {
    "US": "Carter Nguyen Brooks Patel Morgan Rivera Hughes Kim Bennett Foster Ortiz Walsh Greene Harper Lawson Reyes"
          " Sutton Chen Douglas Price Marsh Keller Abbott Vaughn Sinclair Okafor Delgado Whitaker".split(),
    "DE": "Weber Schäfer Becker Krüger Vogel Lorenz Brandt Hartmann Seidel Busch Lindner Ebert Winkler Haas".split(),
    "FR": "Moreau Lefèvre Girard Mercier Chevalier Fontaine Roussel Marchand Perrin Garnier Blanchard".split(),
    "JP": "Sato Tanaka Watanabe Kobayashi Nakamura Yamada Inoue Kimura Hayashi Shimizu Mori Ogawa".split(),
}  # fmt: skip
CITIES: dict[str, list[tuple[str, str | None, str]]] = {
    "US": [("Portland", "OR", "97205"), ("Madison", "WI", "53703"), ("Asheville", "NC", "28801"), ("Austin", "TX", "78704"),
           ("Providence", "RI", "02906"), ("Minneapolis", "MN", "55408"), ("Oakland", "CA", "94610"),
           ("Ithaca", "NY", "14850")],
    "DE": [("Leipzig", None, "04109"), ("Hamburg", None, "20357"), ("Freiburg", None, "79098"), ("Köln", None, "50674")],
    "FR": [("Lyon", None, "69004"), ("Nantes", None, "44000"), ("Lille", None, "59000"), ("Toulouse", None, "31000")],
    "JP": [("Kyoto", None, "604-8006"), ("Fukuoka", None, "810-0001"), ("Sapporo", None, "060-0061"),
           ("Tokyo", None, "150-0041")],
}  # fmt: skip
STREETS = {
    "US": "Alder Street,Fairview Avenue,Juniper Lane,Harbor Road,Chestnut Street,Mill Pond Road,Larkspur Drive".split(","),
    "DE": "Lindenstraße,Gartenweg,Schillerstraße,Bergstraße,Am Stadtpark,Brunnengasse".split(","),
    "FR": "rue des Tilleuls,avenue Pasteur,rue du Moulin,place des Arts,quai de la Loire".split(","),
    "JP": "Sakuragaoka,Midorimachi,Honmachi,Asahigaoka,Kawabata".split(","),
}  # fmt: skip
LOCALES = {"US": "en-US", "DE": "de", "FR": "fr", "JP": "ja"}
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "é": "e", "è": "e", "ï": "i", "É": "E", "ô": "o"})


def person(dice: Random, country: str, taken: set[str]) -> dict[str, Any]:
    """Return customer parameters for somebody new; `taken` are the mail addresses in use."""
    first, last = dice.choice(FIRST[country]), dice.choice(LAST[country])
    city, state, postal = dice.choice(CITIES[country])
    address = {
        "line1": f"{dice.randint(2, 480)} {dice.choice(STREETS[country])}", "city": city, "postal_code": postal,
        "country": country, "state": state or "", "line2": "",
    }  # fmt: skip
    return {
        "name": f"{first} {last}", "email": _mail(dice, first, last, taken), "address": address,
        "phone": "", "preferred_locales": [LOCALES[country]], "metadata": {"source": dice.choice(SOURCES)},
    }  # fmt: skip


SOURCES = ("newsletter", "website", "book fair", "friend", "podcast", "search")


def _mail(dice: Random, first: str, last: str, taken: set[str]) -> str:
    domain = dice.choice(("example.com", "example.com", "example.org", "example.net"))
    name = f"{first}.{last}".translate(_ASCII).lower()
    mail, number = f"{name}@{domain}", 1
    while mail in taken:
        number += 1
        mail = f"{name}{number}@{domain}"
    taken.add(mail)
    return mail
