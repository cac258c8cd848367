"""Made-up people with names in English, Hindi and Telugu script."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from faker import Faker
from faker.providers import BaseProvider

from webapp.households.rules import Gender, Language

_GIVEN = [
    "అరుణ్",
    "లక్ష్మి",
    "రవి",
    "సీత",
    "కిరణ్",
    "పద్మ",
    "శ్రీనివాస్",
    "అనూష",
    "వెంకటేష్",
    "హరిణి",
    "సాయి",
    "దివ్య",
    "నాగేశ్వరరావు",
    "మాధవి",
    "రాజేష్",
    "స్వాతి",
    "చైతన్య",
    "భవాని",
    "సుధాకర్",
    "ప్రియాంక",
    "మురళి",
    "కవిత",
    "గోపాల్",
    "శిరీష",
    "హర్ష",
    "నవ్య",
    "తేజ",
    "మీనాక్షి",
]
_FAMILY = [
    "రెడ్డి",
    "రావు",
    "నాయుడు",
    "శర్మ",
    "వర్మ",
    "చౌదరి",
    "గుప్త",
    "శాస్త్రి",
    "మూర్తి",
    "ప్రసాద్",
    "కొండపల్లి",
    "యలమంచిలి",
    "తాడేపల్లి",
    "అక్కినేని",
    "గొట్టిపాటి",
    "వేమూరి",
    "బొమ్మిరెడ్డి",
    "కాకర్ల",
]


class TeluguNames(BaseProvider):
    """Faker has no Telugu names; common given and family names fill the gap."""

    def telugu_given(self) -> str:
        """A given name in Telugu script."""
        return str(self.random_element(_GIVEN))

    def telugu_family(self) -> str:
        """A family name in Telugu script."""
        return str(self.random_element(_FAMILY))


@dataclass(frozen=True, slots=True)
class Family:
    """A guardian and the children's names, in one script."""

    language: Language
    guardian: str
    students: tuple[str, ...]
    phone: str
    email: str


class People:
    """Names and numbers, always the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._english, self._hindi, self._american = Faker("en_IN"), Faker("hi_IN"), Faker("en_US")
        self._english.add_provider(TeluguNames)
        for number, fake in enumerate((self._english, self._hindi, self._american)):
            fake.seed_instance(seed + number)
        self._phones = 0

    def family(self, students: int, *, american: bool = False) -> Family:
        """A family with that many children, in a language that fits the place."""
        languages = [Language.ENGLISH] if american else [Language.TELUGU, Language.TELUGU, Language.HINDI]
        language = self._random.choice([*languages, Language.ENGLISH])
        family = self._family_name(language, american)
        names = tuple(f"{given} {family}" for given in self._given_names(language, american, students + 1))
        return Family(
            language=language,
            guardian=names[0],
            students=names[1:],
            phone=self._phone(american),
            email=f"family{self._phones}@example.org",
        )

    def trainer(self, gender: Gender, *, american: bool = False) -> str:
        """A trainer's name, in English letters."""
        fake = self._american if american else self._english
        given = fake.first_name_female() if gender is Gender.FEMALE else fake.first_name_male()
        return f"{given} {fake.last_name()}"

    def street(self, *, american: bool = False) -> str:
        """A street and a house number."""
        fake = self._american if american else self._english
        return str(fake.street_address()).replace("\n", ", ")

    def _family_name(self, language: Language, american: bool) -> str:
        if american:
            return str(self._american.last_name())
        if language is Language.TELUGU:
            return str(self._english.telugu_family())
        return str((self._hindi if language is Language.HINDI else self._english).last_name())

    def _given_names(self, language: Language, american: bool, count: int) -> list[str]:
        names: dict[str, None] = {}
        while len(names) < count:
            if american:
                names[str(self._american.first_name())] = None
            elif language is Language.TELUGU:
                names[str(self._english.telugu_given())] = None
            else:
                names[str((self._hindi if language is Language.HINDI else self._english).first_name())] = None
        return list(names)

    def _phone(self, american: bool) -> str:
        # 555 numbers are set aside for fiction; India sets none aside, but no subscriber number of Pune begins with 0.
        self._phones += 1
        return f"+1212555{self._phones % 10000:04d}" if american else f"+91200{self._phones % 10000000:07d}"
