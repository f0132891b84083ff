"""The house as a picture: a plan of the rooms with arrows above, each room with all its files beneath."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from html import escape
from textwrap import wrap

from docs.house_plan import ROOMS, WAY, Room, Step, room_of

Items = Mapping[str, list[tuple[str, str]]]
Arrows = Mapping[tuple[str, str], int]
Point = tuple[float, float]

WIDTH = 2400
MARGIN = 40
#: the plan: boxes on a grid
BOX_WIDTH, BOX_HEIGHT, CELL_WIDTH, CELL_HEIGHT, PLAN_TOP = 306, 90, 403, 160, 150
#: the cards
CARD_COLUMNS, CARD_GAP, LINE, LETTERS = 5, 20, 15, 68
#: letters of a line in a box of the plan
BOX_LETTERS = 43
#: border, ground
COLOURS = {
    "pbx": ("#0b7285", "#e3f4f7"),
    "root": ("#5f3dc4", "#efeafc"),
    "shared": ("#364fc7", "#e8edfc"),
    "feature": ("#2b8a3e", "#e6f5e9"),
    "front": ("#a61e4d", "#fbe8ef"),
    "outside": ("#7f5f01", "#faf3dd"),
    "tests": ("#495057", "#eef0f2"),
}
WAY_COLOUR = "#d9480f"
_STYLE = """
text{font-family:'Segoe UI','Helvetica Neue','DejaVu Sans',Arial,sans-serif;fill:#212529}
.h1{font-size:34px;font-weight:700}.h2{font-size:22px;font-weight:700}.note{font-size:15px;fill:#495057}
.room{font-size:17px;font-weight:700}.says{font-size:12px;fill:#495057}
.file{font-size:11.5px}.name{font-weight:700}.number{font-size:13px;font-weight:700;fill:#fff;text-anchor:middle}
.import{fill:none;stroke:#868e96;stroke-width:1.3;opacity:.55}.both{stroke-dasharray:5 4}
.way{fill:none;stroke:#d9480f;stroke-width:5;stroke-linecap:round;opacity:.9}
"""


def draw(items: Items, arrows: Arrows) -> str:
    """The whole picture, the same for the same house."""
    rows = max(room.at[1] for room in ROOMS) + 1
    legend_top = PLAN_TOP + rows * CELL_HEIGHT + 10
    legend, cards_top = _legend(legend_top)
    cards, height = _cards(items, cards_top + 70)
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>The rooms of the house, their imports, and the way of the data</title>",
        f"<style>{_STYLE}</style>",
        _markers(),
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fffdf8"/>',
        _text(MARGIN, 62, "The house", "h1"),
        _text(MARGIN, 92, "Thin arrows: imports between rooms (one is left out where a longer way of arrows says the "
              "same; dashed: both ways). Orange: the way of the data, from Asterisk and back to it.", "note"),
        _text(MARGIN, 115, "Made from the code; every step of the way and every file's purpose is held against it by "
              "a test.", "note"),
        *_imports(arrows),
        *(_box(room, len(items.get(room.name, ()))) for room in ROOMS),
        *_way(),
        *legend,
        _text(MARGIN, cards_top + 42, "The rooms and their files", "h2"),
        *cards,
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _markers() -> str:
    return "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="{size}" '
        f'markerHeight="{size}" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
        for name, colour, size in (("thin", "#868e96", 9), ("thick", WAY_COLOUR, 18))
    ).join(("<defs>", "</defs>"))


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(words, quote=False)}</text>'


# --- the plan -------------------------------------------------------------------------------------------------------


def _corner(room: Room) -> Point:
    return MARGIN + room.at[0] * CELL_WIDTH, PLAN_TOP + room.at[1] * CELL_HEIGHT


def _middle(room: Room) -> Point:
    x, y = _corner(room)
    return x + BOX_WIDTH / 2, y + BOX_HEIGHT / 2


def _box(room: Room, count: int) -> str:
    x, y = _corner(room)
    border, ground = COLOURS[room.family]
    lines = wrap(room.says, BOX_LETTERS)
    says = "".join(_text(x + 12, y + 39 + 14 * number, line, "says") for number, line in enumerate(lines))
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="10" fill="{ground}" stroke="{border}" '
        f'stroke-width="2"/>{_text(x + 12, y + 22, room.title, "room")}{says}<!-- {count} files -->'
    )


def _border(inside: Point, towards: Point, gap: float = 3) -> Point:
    """Where the line from a box's middle to another point leaves the box."""
    dx, dy = towards[0] - inside[0], towards[1] - inside[1]
    half_width, half_height = BOX_WIDTH / 2 + gap, BOX_HEIGHT / 2 + gap
    scale = min(half_width / abs(dx) if dx else 1e9, half_height / abs(dy) if dy else 1e9)
    return inside[0] + dx * scale, inside[1] + dy * scale


def _curve(start: Point, end: Point, bend: float) -> tuple[str, Point]:
    """A slightly bent line, and the point in its middle."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    control = (start[0] + end[0]) / 2 - dy * bend, (start[1] + end[1]) / 2 + dx * bend
    middle = (start[0] + 2 * control[0] + end[0]) / 4, (start[1] + 2 * control[1] + end[1]) / 4
    return f"M{start[0]:.0f} {start[1]:.0f}Q{control[0]:.0f} {control[1]:.0f} {end[0]:.0f} {end[1]:.0f}", middle


def shown_arrows(arrows: Collection[tuple[str, str]]) -> list[tuple[str, str, bool]]:
    """(room, room, both ways), without those that a longer way says too."""
    direct: dict[str, set[str]] = {}
    for here, there in arrows:
        direct.setdefault(here, set()).add(there)
    found = []
    for here, there in sorted(arrows):
        both = (there, here) in set(arrows)
        if both:
            if here < there:
                found.append((here, there, True))
        elif not _reaches(direct, here, there):
            found.append((here, there, False))
    return found


def _reaches(direct: Mapping[str, set[str]], here: str, there: str) -> bool:
    """By at least two arrows, none of which leads back to where it came from."""
    on_the_way = direct.get(here, set()) - {there}
    seen, look = {here}, [middle for middle in on_the_way if here not in direct.get(middle, ())]
    while look:
        room = look.pop()
        if there in direct.get(room, ()):
            return True
        if room not in seen:
            seen.add(room)
            look += [middle for middle in direct.get(room, ()) if middle not in seen]
    return False


def _imports(arrows: Arrows) -> Iterable[str]:
    rooms = {room.name: room for room in ROOMS}
    for here, there, both in shown_arrows(arrows.keys()):
        first, second = _middle(rooms[here]), _middle(rooms[there])
        path, _ = _curve(_border(first, second), _border(second, first, 5), 0.10)
        start = ' marker-start="url(#thin)"' if both else ""
        yield f'<path d="{path}" class="import{" both" if both else ""}" marker-end="url(#thin)"{start}/>'


# --- the way of the data --------------------------------------------------------------------------------------------


def _ends(step: Step) -> tuple[Room, Room]:
    source, target = _room_at(step.source.path), _room_at(step.target.path)
    return (target, source) if step.pulled else (source, target)


def _room_at(path: str) -> Room:
    room = room_of(path)
    if room is None:
        raise LookupError(path)
    return room


def _way() -> Iterable[str]:
    """A thick arrow from room to room with the numbers of its steps; numbers within a room stand at its foot."""
    between: dict[tuple[str, str], list[int]] = {}
    within: dict[str, list[int]] = {}
    rooms = {room.name: room for room in ROOMS}
    for number, step in enumerate(WAY, start=1):
        first, second = _ends(step)
        if first is second:
            within.setdefault(first.name, []).append(number)
        else:
            between.setdefault((first.name, second.name), []).append(number)
    lines, marks = [], []
    for (here, there), numbers in between.items():
        start, end = _middle(rooms[here]), _middle(rooms[there])
        path, middle = _curve(_border(start, end, 2), _border(end, start, 8), -0.16)
        lines.append(f'<path d="{path}" class="way" marker-end="url(#thick)"/>')
        marks += _numbers(middle, numbers)
    for name, numbers in within.items():
        x, y = _corner(rooms[name])
        marks += _numbers((x + BOX_WIDTH - 15 - 13 * len(numbers), y + BOX_HEIGHT), numbers)
    return [*lines, *marks]


def _numbers(middle: Point, numbers: list[int]) -> list[str]:
    found = []
    for place, number in enumerate(numbers):
        x, y = middle[0] + 26 * (place - (len(numbers) - 1) / 2), middle[1]
        found.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="12" fill="{WAY_COLOUR}" stroke="#fff" stroke-width="2"/>')
        found.append(_text(x, y + 5, str(number), "number"))
    return found


def _legend(top: float) -> tuple[list[str], float]:
    """The steps in words, in two columns."""
    parts, half = [_text(MARGIN, top + 24, "The way of the data", "h2")], (len(WAY) + 1) // 2
    for index, step in enumerate(WAY):
        x, y = MARGIN + 14 + (index // half) * (WIDTH / 2 - 20), top + 58 + (index % half) * 40
        parts += _numbers((x, y), [index + 1])
        parts.append(_text(x + 22, y, step.says, "note"))
        parts.append(_text(x + 22, y + 16, f"{step.source}  →  {step.target}", "says"))
    return parts, top + 58 + half * 40


# --- the cards ------------------------------------------------------------------------------------------------------


def _cards(items: Items, top: float) -> tuple[list[str], float]:
    """Each room in the column that is shortest so far, in the order of the plan."""
    width = (WIDTH - 2 * MARGIN - (CARD_COLUMNS - 1) * CARD_GAP) / CARD_COLUMNS
    feet, parts = [top] * CARD_COLUMNS, []
    for room in ROOMS:
        column = feet.index(min(feet))
        x = MARGIN + column * (width + CARD_GAP)
        card, height = _card(room, items.get(room.name, []), x, feet[column], width)
        parts.append(card)
        feet[column] += height + CARD_GAP
    return parts, max(feet) + MARGIN - CARD_GAP


def _card(room: Room, items: list[tuple[str, str]], x: float, top: float, width: float) -> tuple[str, float]:
    border, ground = COLOURS[room.family]
    y, parts = top + 26, [_text(x + 14, top + 26, room.title, "room")]
    for line in wrap(room.says, 62):
        y += LINE
        parts.append(_text(x + 14, y, line, "says"))
    y += 6
    steps = _stations()
    for path, purpose in _folders(items) if room.name.startswith("tests") else items:
        name = _short(path, room)
        marks = "".join(f" ({number})" for number in steps.get(path, ()))
        for number, (bold, told) in enumerate(_lines(name, marks, purpose)):
            y += LINE
            words = escape(told, quote=False)
            if bold:
                words = (
                    f'<tspan class="name">{escape(bold)}</tspan>'
                    f'<tspan class="name" fill="{WAY_COLOUR}">{"" if bold.endswith("/") else marks}</tspan> {words}'
                )
            parts.append(f'<text x="{x + 14 + (12 if number else 0):.0f}" y="{y:.0f}" class="file">{words}</text>')
    height = y + 16 - top
    frame = (
        f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="10" fill="{ground}" '
        f'stroke="{border}" stroke-width="1.5"/>'
    )
    return frame + "".join(parts), height


def _lines(name: str, marks: str, purpose: str) -> list[tuple[str, str]]:
    """(what of the name, words) of each line. A name that is too long for a line has its folder on one of its own."""
    found = []
    if _wide(name) + len(marks) > LETTERS and "/" in name:
        folder, _, name = name.rpartition("/")
        found.append((f"{folder}/", ""))
    taken = " " * (_wide(name) + len(marks) + 2)
    lines = wrap(purpose, LETTERS, initial_indent=taken, subsequent_indent="    ", break_on_hyphens=False)
    if len(taken) > LETTERS - 10:  # no word fits beside it
        lines = ["", *wrap(purpose, LETTERS - 4, break_on_hyphens=False)]
    first, *more = lines or [""]
    found.append((name, first.strip()))
    return found + [("", line.strip()) for line in more]


def _wide(name: str) -> int:
    """Letters of a name are wider than others: as how many of those it counts."""
    return len(name) + len(name) // 6


def _folders(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of the tests, folders alone: the page names each file."""
    count: dict[str, int] = {}
    for path, _ in items:
        folder = path.rpartition("/")[0] + "/"
        count[folder] = count.get(folder, 0) + 1
    return [(folder, f"{number} files" if number > 1 else "1 file") for folder, number in count.items()]


def _stations() -> dict[str, list[int]]:
    """File → the steps of the way that begin or end there."""
    found: dict[str, list[int]] = {}
    for number, step in enumerate(WAY, start=1):
        for path in dict.fromkeys((step.source.path, step.target.path)):
            found.setdefault(path, []).append(number)
    return found


def _short(path: str, room: Room) -> str:
    """Without the folder that the room's title names already."""
    folders = [place for place in room.places if place.endswith("/") and path.startswith(place)]
    if folders:
        one = (
            max(folders, key=len)
            if len(room.places) == 1 and not room.name.startswith("tests")
            else "service/frontend/"
        )
        return path.removeprefix(one)
    return path.rpartition("/")[2] or path
