"""The list of a class: plain names, or a table as Moodle, Canvas, Blackboard or a school's office exports it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from segkit.grading.notebook_files import NotebookError
from segkit.teaching.senders import Sender, folder_name
from segkit.teaching.tables import table_text

_FIRST = {"first name", "firstname", "first names", "given name", "given names", "forename", "vorname", "vornamen"}
_LAST = {"last name", "lastname", "surname", "family name", "familyname", "nachname", "familienname", "name, last"}
_FULL = {"student", "students", "name", "names", "full name", "student name", "display name", "teilnehmer",
         "teilnehmer/in", "teilnehmende", "studierende", "student/in", "vollständiger name", "vor- und nachname",
         "nachname, vorname", "first name / last name", "vorname / nachname", "last name, first name"}  # fmt: skip
_LOGIN = {"username", "user name", "login", "login id", "sis login id", "sis user id", "user id", "id", "id number",
          "student id", "student number", "anmeldename", "benutzername", "nutzername", "kennung", "matrikelnummer",
          "matrikelnr", "id-nummer", "number", "nummer"}  # fmt: skip
_MAIL = {"email", "e-mail", "mail", "email address", "e-mail address", "e-mail-adresse", "emailadresse", "mailadresse"}
_OTHER = {"group", "groups", "gruppe", "gruppen", "section", "course", "kurs", "institution", "department", "roles",
          "rolle", "rollen", "last access", "availability", "status"}  # fmt: skip
_NOBODY = {"points possible", "student, test", "test student"}  # rows of Canvas


@dataclass(frozen=True)
class Person:
    """A student of a list.

    Args:
        name: as it is to stand on their pages.
        known: logins, numbers and the part of an address before the @, under which a learning system knows them.
    """

    name: str
    known: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return folder_name(self.name)


@dataclass(frozen=True)
class Roster:
    """The students of a class, and what a teacher should know of how the list was read."""

    people: list[Person] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.people]

    def find(self, sender: Sender, made_for: str = "") -> Person | None:
        """Who of the list has handed in a file: by name, in either order, by login or number; None where that is open.

        Args:
            sender: as the names on the way say.
            made_for: for whom the notebook was made, which decides between people of one name.
        """
        key = folder_name(sender.name).casefold()
        for sign in (_by_name, _by_words, _by_login, _by_pieces):
            found = [one for one in self.people if sign(one, key, sender.number)]
            if found:
                return found[0] if len(found) == 1 else None
        close = [one for one in self.people if {*_words(sender.name)} and {*_words(sender.name)} < {*_words(one.name)}]
        return next((one for one in close if one.folder == made_for), None)


def _by_name(one: Person, key: str, number: str) -> bool:
    return one.folder.casefold() == key


def _by_words(one: Person, key: str, number: str) -> bool:
    return len(_words(key)) > 1 and sorted(_words(one.name)) == sorted(_words(key))


def _by_login(one: Person, key: str, number: str) -> bool:
    return bool({key, number} - {""} & {login.casefold() for login in one.known})


def _by_pieces(one: Person, key: str, number: str) -> bool:
    """Canvas writes Anna Berg as berganna, and Jörg de la Cruz as delacruzjorg."""
    words = _words(one.name)
    turned = {_unaccented("".join(words[place:] + words[:place])) for place in range(len(words))}
    return len(words) > 1 and _unaccented(key) in turned


def _words(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold().replace("_", " "))


def _unaccented(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def read_roster(path: Path) -> Roster:
    """The students of a list: a name in each line, or a table with a line of headings.

    A table may have a column of whole names, or one of first and one of last names, in English or German, as learning
    systems export it; logins, numbers and addresses in it are used to recognise files.

    Raises:
        NotebookError: it cannot be read, names nobody, or has two students that cannot be told apart.
    """
    text = table_text(path, "; give a file with the name of a student in each line")
    first = text.partition("\n")[0]
    separator = max("\t;,", key=first.count)
    cells = [[cell.strip().strip("\u200b\ufeff'") for cell in row]
             for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)]  # fmt: skip
    rows = [(number, row) for number, row in enumerate(cells, 1) if any(row)]
    if not rows:
        raise NotebookError(f"{path} names nobody; write the name of a student in each line")
    heads = [cell.casefold() for cell in rows[0][1]]
    found, said = _of_columns(path, heads, rows[1:]) if _are_headings(heads) else _of_lines(path, rows, separator)
    people, more = _apart(path, found)
    if not people:
        raise NotebookError(f"{path} names nobody; write the name of a student in each line")
    return Roster(people, [f"{path.name}: {one}" for one in [*said, *more]])


def _are_headings(heads: list[str]) -> bool:
    """One word for names is enough; of logins, groups and the like it takes two, or the only column."""
    if set(heads) & (_FIRST | _LAST | _FULL):
        return True
    return sum(head in _LOGIN | _MAIL | _OTHER for head in heads) >= min(len(heads), 2)


Found = list[tuple[int, Person]]  # with the number of the line


def _of_columns(path: Path, heads: list[str], rows: list[tuple[int, list[str]]]) -> tuple[Found, list[str]]:
    def column(names: set[str]) -> int | None:
        return next((place for place, head in enumerate(heads) if head in names), None)

    full, first, last = column(_FULL), column(_FIRST), column(_LAST)
    ways = [place for place, head in enumerate(heads) if head in _LOGIN | _MAIL]
    take = [place for place in ([first, last] if first is not None and last is not None else [full, first, last])
            if place is not None] or ways[:1]  # fmt: skip
    if first is None or last is None:
        take = take[:1]
    if not take:
        raise NotebookError(
            f"{path}: the first line reads {', '.join(heads)}, and no column of names is among these; call one "
            "`student`, or two `first name` and `last name`"
        )
    found, passed = Found(), 0
    for number, row in rows:
        row = row + [""] * (len(heads) - len(row))
        name = _in_order(" ".join(row[place] for place in take if row[place]))
        if not name or name.casefold() in _NOBODY or row[take[0]].casefold() in _NOBODY:
            passed += 1
            continue
        logins = [row[place].partition("@")[0] for place in ways] + [row[place] for place in ways]
        found.append((number, Person(name, tuple(dict.fromkeys(one for one in logins if one)))))
    said = [f"a table; names are taken from {' and '.join(repr(heads[place]) for place in take)}"]
    if len(take) == 1 and take[0] in (first, last):
        said.append("it has no other column of names, so students are known by this part alone")
    if ways:
        said[0] += f", and files are recognised by {' and '.join(repr(heads[place]) for place in ways)} as well"
    said += [f"{passed} lines name no student and were passed over"] if passed else []
    return found, said


def _of_lines(path: Path, rows: list[tuple[int, list[str]]], separator: str) -> tuple[Found, list[str]]:
    """Lines without headings: a name each; "Berg, Anna" is one as well."""
    wide = [(number, row) for number, row in rows if sum(map(bool, row)) > 1]
    if not wide:
        return [(number, Person(_in_order(next(filter(None, row))))) for number, row in rows], []
    if separator == "," and all(len(row) == 2 and not re.search(r"[\d@]", row[1]) for _, row in wide):
        said = ['lines such as "Berg, Anna" are read as last name, first name']
        return [(n, Person(_in_order(", ".join(filter(None, row))))) for n, row in rows], said
    number, row = wide[0]
    raise NotebookError(
        f"{path}, line {number}, reads {' | '.join(row)}, and no line of headings says which of these is the name; "
        "write one above it, such as student,login or first name,last name,e-mail"
    )


def _in_order(name: str) -> str:
    """Canvas's "Berg, Anna" as "Anna Berg"."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma and first.strip() else name.strip(", ")


def _apart(path: Path, found: Found) -> tuple[list[Person], list[str]]:
    """Two people of one name, told apart by what else the table says of them; who stands there twice is one."""
    said: list[str] = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    alike: dict[str, list[tuple[int, Person]]] = defaultdict(list)
    for number, one in found:
        key = one.folder.casefold()
        if one.known and (key, one.known) in seen:
            said.append(f"{one.name} stands there twice with the same login, and is taken once")
        else:
            seen.add((key, one.known))
            alike[key].append((number, one))
    made = []
    for group in alike.values():
        marks = Counter(one.known[0] for _, one in group if one.known)
        if len(group) == 1:
            made.append(group[0][1])
        elif len(marks) == len(group):
            made += [Person(f"{one.name} {one.known[0]}", one.known) for _, one in group]
            said.append(f"{len(group)} students are called {group[0][1].name}; their logins stand behind their names")
        else:
            lines = " and ".join(str(number) for number, _ in group)
            raise NotebookError(
                f"{path}: {group[0][1].name} stands in lines {lines}; two people of one name are told apart by "
                "something behind the name, such as a number, or by a column of logins; remove the line if it is one"
            )
    return made, said
