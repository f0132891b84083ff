"""The rooms of the house, what each is for, where it stands in the drawing; and the way of the data through them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """`places`: files, or folders with a slash at the end. `at`: column and row in the plan. `family`: its colour."""

    name: str
    title: str
    says: str
    places: tuple[str, ...]
    at: tuple[int, int]
    family: str


def _pbx(*names: str) -> tuple[str, ...]:
    return tuple(f"pbx/{name}.py" for name in names)


def _service(*names: str) -> tuple[str, ...]:
    return tuple(f"service/{name}.py" for name in names)


def _frontend(*names: str) -> tuple[str, ...]:
    return tuple(f"service/frontend/{name}" for name in names)


ROOMS = (
    Room(
        "frontend", "frontend: the pages", "The pages: a listener's, with phone and case together, and the board "
        "of those who watch the line.",
        _frontend("src/"), (0, 0), "front",
    ),
    Room(
        "frontend-parts", "frontend: beneath them", "The live feed as pure state, the phone, notes that are "
        "never lost, the words in two languages.",
        _frontend(
            "src/live/", "src/phone/", "src/notes/", "src/api/", "src/i18n/", "src/styles/", "scripts/", "tests/",
            "vite.config.ts",
        ),
        (1, 0), "front",
    ),
    Room(
        "cli", "service/cli", "The command `ecoute`: set up, run, show, check.",
        ("service/cli/",), (2, 0), "root",
    ),
    Room(
        "root", "service: the root", "Puts all parts together and runs them: the only place that knows every room.",
        _service("app", "running", "__init__"), (3, 0), "root",
    ),
    Room(
        "push", "service/push", "A snapshot with a number, then numbered changes: each page gets what its roles may "
        "see, and nothing else.",
        ("service/push/",), (1, 1), "shared",
    ),
    Room(
        "http", "service/http", "What every request passes: the guard, rights, errors, headers; and the description "
        "of the whole interface.",
        ("service/http/",), (2, 1), "shared",
    ),
    Room(
        "health", "service/health", "What is wrong, from a closed list, with what to do next; and figures for whoever "
        "watches.",
        ("service/health/",), (3, 1), "feature",
    ),
    Room(
        "drafts", "service/drafts", "What a page needs to keep unsaved words safe in the browser.",
        ("service/drafts/",), (4, 1), "feature",
    ),
    Room(
        "decisions", "service/decisions", "Pure functions that say what should happen: overflow, and who has to be "
        "freed.",
        ("service/decisions/",), (0, 2), "shared",
    ),
    Room(
        "heart", "service: the heart", "The pump and the world in memory: every fact comes by here, and every "
        "decision leaves from here.",
        _service("pump", "world", "line", "live", "provisioning", "drift"), (1, 2), "root",
    ),
    Room(
        "calls", "service/calls", "The record of each call, from facts that may come twice, late or from the journal.",
        ("service/calls/",), (2, 2), "feature",
    ),
    Room(
        "cases", "service/cases", "Contacts and case records: what is written, who may see it, what becomes of it.",
        ("service/cases/",), (3, 2), "feature",
    ),
    Room(
        "accounts", "service/accounts", "Who people are, how they sign in, what they may do.",
        ("service/accounts/",), (4, 2), "feature",
    ),
    Room(
        "listeners", "service/listeners", "What a listener is doing, and what they ask of the telephone system.",
        ("service/listeners/",), (0, 3), "feature",
    ),
    Room(
        "queues", "service/queues", "Who waits at which rank, and who could take them.",
        ("service/queues/",), (2, 3), "feature",
    ),
    Room(
        "centres", "service/centres", "Regional centres, the departments that they cover, and the routes to them.",
        ("service/centres/",), (5, 3), "feature",
    ),
    Room(
        "audit", "service/audit", "Who looked at what and who changed it: a trail that can only grow.",
        ("service/audit/",), (4, 3), "feature",
    ),
    Room(
        "keys", "service/keys", "What is personal is sealed, and found again through blind indexes.",
        ("service/keys/",), (4, 4), "shared",
    ),
    Room(
        "pbx-happened", "pbx: what happened", "Pure trackers: typed events become facts about calls, queues and "
        "phones, the same live and from the journal.",
        _pbx(
            "state", "calls", "track", "steps", "legs", "identity", "channels", "queues", "contacts", "facts",
            "journal", "journal_file", "queue_log", "replay",
        ),
        (0, 4), "pbx",
    ),
    Room(
        "pbx-wire", "pbx: the wire", "One ordered, bounded session with Asterisk's manager interface that never lies.",
        _pbx(
            "__init__", "link", "session", "protocol", "parse", "parse_lists", "events", "replies", "odd", "snapshot",
            "recording", "steady", "errors",
        ),
        (1, 4), "pbx",
    ),
    Room(
        "pbx-asked", "pbx: what is asked", "Commands in the imperative, and the only place where actions are "
        "written.",
        _pbx("commands", "actions", "provision"), (2, 4), "pbx",
    ),
    Room(
        "store", "service/store", "One model for both databases, its upgrades, what is generated once.",
        ("service/store/",), (3, 4), "shared",
    ),
    Room(
        "foundations", "service: the foundations", "Settings, errors, logging, telephone numbers: used everywhere.",
        _service("settings", "errors", "log", "numbers"), (5, 4), "shared",
    ),
    Room(
        "dialplan", "dialplan", "What happens to a caller, also with the service stopped: one file per family of "
        "contexts.",
        ("dialplan/",), (0, 5), "outside",
    ),
    Room(
        "asterisk-config", "asterisk-config", "Asterisk's own files, loaded as they stand.",
        ("asterisk-config/",), (2, 5), "outside",
    ),
    Room(
        "pbx-asterisk", "pbx: Asterisk itself", "Fetches, sets up, starts and stops it, and writes what differs from "
        "site to site.",
        _pbx(
            "install", "fetch", "manifest", "requirements", "process", "console", "layout", "site", "ports", "conf",
            "phones", "prompts", "hours", "carrier", "tls",
        ),
        (3, 5), "pbx",
    ),
    Room(
        "pbx-verifier", "pbx: the verifier", "Proves that no setting or dialplan line can end a call or lose a caller.",
        _pbx(
            "verifier", "no_cap", "effective", "dialplan_rules", "dialplan_data", "dialplan_flow", "settings_rules",
            "settings_data", "code_names", "code_rules", "machine_rules", "loaded", "loaded_sip", "parse_loaded",
            "ways",
        ),
        (4, 5), "pbx",
    ),
    Room(
        "recordings-policy", "recordings-policy", "What may be recorded and for how long, as data with its reasons.",
        ("recordings-policy/",), (5, 5), "outside",
    ),
    Room(
        "tests-pure", "tests: of parts", "Unit tests, properties, and the streams of real calls told again.",
        ("tests/unit/", "tests/replay/", "tests/config/"), (5, 1), "tests",
    ),
    Room(
        "tests-real", "tests: of the whole", "The real Asterisk, phones, databases and browser; benchmarks; "
        "and what these need.",
        ("tests/",), (5, 2), "tests",
    ),
    Room(
        "papers", "docs and tools", "Decisions, this drawing, and how the whole is built.",
        ("docs/", "pyproject.toml"), (5, 0), "tests",
    ),
)  # fmt: skip

#: more about each, for the page beside the drawing
MORE = {
    "frontend": (
        "What rings, what is talked about and what is written are one page, so that nothing has to be looked for "
        "while somebody waits. No clock runs on it."
    ),
    "frontend-parts": (
        "The feed, the telephone and the notes fail apart from each other: a lost service keeps the conversation, a "
        "lost page keeps the caller. Shapes come from the service's own description."
    ),
    "cli": "Each command imports what it needs when it is called. It may use every room; nothing uses it.",
    "root": (
        "Nothing else reads the environment or wires parts together. It starts them in order and stops them in the "
        "other, and leaves the PBX and its calls alone."
    ),
    "push": (
        "Each change is encoded once per audience; a reader that falls behind is told to fetch again. Sending too "
        "widely is a privacy bug, so who may see what is decided in one file."
    ),
    "http": (
        "A route declares its right, and the guard checks it: no route has a check of its own. The description of the "
        "interface is made from the same declarations."
    ),
    "health": (
        "Once a second measurements become alarms, by rules that are pure; nobody acknowledges or resets one, it lasts "
        "as long as its cause. Whatever may hang is measured beside the rest. No figure has a person in it."
    ),
    "drafts": "The words themselves never come here before they are saved as notes.",
    "decisions": (
        "They are asked again whenever the world changes, and remember nothing: what is on its way is part of the "
        "world."
    ),
    "heart": (
        "Taking in a batch never waits: nothing slow runs in it, and nothing of another batch comes between. When "
        "deciding fails, the heartbeat stops and the dialplan decides alone."
    ),
    "calls": (
        "Facts are stored in batches behind a bounded queue; what the database misses is read from the journal later, "
        "with the same keys. One call has one record, one answered call one contact."
    ),
    "cases": (
        "A case belongs to the national team until it is handed off, and may be closed to a person by name. Who may "
        "read what is one SQL condition, used by every query."
    ),
    "accounts": (
        "Roles give rights, in one table. Sessions lie in the store, are renewed while they are used, and can be "
        "ended one by one."
    ),
    "listeners": (
        "A listener's state is derived from what Asterisk said and from nothing else: the service asks, and shows "
        "what comes back."
    ),
    "queues": "A rank is an arrival, as the PBX has it. The figures here are counted anew each time.",
    "centres": "Routes are also given to the PBX, so that overflow goes on without the service.",
    "audit": (
        "Entries are chained by their hashes and written in the transaction of what they tell of. Nobody can change "
        "or remove one unnoticed."
    ),
    "keys": (
        "A case has a key of its own, wrapped by a master key outside the database: who erases that key erases the "
        "case from the database. A backup from before has it until the backup or its master key is destroyed."
    ),
    "pbx-happened": (
        "No loop, no clock and no file in here: time comes with the event. Any order between channels, duplicates and "
        "gaps give the same record."
    ),
    "pbx-wire": (
        "What comes is parsed once, by the only file that knows header names; what goes out is sent once. After a gap "
        "a snapshot says what is true, and what was seen live outranks it."
    ),
    "pbx-asked": (
        "An action that could cut a call or carry a line end cannot be written. What needs more rights has an account "
        "of its own."
    ),
    "store": (
        "Nothing here knows what is stored, but that what is personal is sealed. A database of a newer version is "
        "refused, untouched. Which errors are the database's own trouble is said here."
    ),
    "foundations": (
        "A wrong setting is an error that names it; an error says what to do next; a log line with personal data is "
        "refused."
    ),
    "dialplan": (
        "Each context says who may enter, what must be set and where it leaves. Each step is told with a number, so "
        "that a record comes out the same however it was learned."
    ),
    "asterisk-config": (
        "What differs from site to site is included from generated files. Everything that could end a call is "
        "switched off, and said why."
    ),
    "pbx-asterisk": (
        "It runs without root and without containers, from a cache, with all that it writes under one data directory."
    ),
    "pbx-verifier": (
        "An option that it does not know is a failure. It reads what Asterisk would read, includes and templates "
        "resolved."
    ),
    "recordings-policy": "Recording is off. What would allow it is written here, and enforced elsewhere.",
    "tests-pure": (
        "They need no telephone: whole calls in every order, real streams told again, the configuration held against "
        "its rules."
    ),
    "tests-real": "The oracle is what callers and phones saw, never only what the service says of itself.",
    "papers": "What was hard to decide is kept with its reasons, half a page each.",
}


def room_of(path: str) -> Room | None:
    """The most particular room that takes the file."""
    takers = [(len(place), room) for room in ROOMS for place in room.places if _takes(place, path)]
    return max(takers, key=lambda taker: taker[0])[1] if takers else None


def _takes(place: str, path: str) -> bool:
    return path.startswith(place) if place.endswith("/") else path == place


@dataclass(frozen=True, slots=True)
class End:
    """One station of the way: a name in a file."""

    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}: {self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way. `word`: by which `source` names `target`, where that is not its name.

    `imports` false: the two do not speak the same language. `pulled`: the data comes from `target` to `source`.
    """

    says: str
    source: End
    target: End
    word: str = ""
    imports: bool = True
    pulled: bool = False


WAY = (
    Step("The dialplan tells each step of a call, numbered, to the manager interface and to the journal.",
         End("dialplan/step.conf", "[step]"), End("pbx/parse.py", "_user_event"), "UserEvent(CallStep", imports=False),
    Step("The session reads frames, and makes typed events of those that somebody wants.",
         End("pbx/protocol.py", "PbxProtocol._read"), End("pbx/parse.py", "EVENTS")),
    Step("They wait in one bounded stream, in order.",
         End("pbx/protocol.py", "PbxProtocol._read"), End("pbx/protocol.py", "EventStream"), "_stream"),
    Step("The link hands them to the state of its PBX.",
         End("pbx/link.py", "PbxLink._take"), End("pbx/state.py", "PbxState.apply")),
    Step("What concerns a call goes to the call tracker.",
         End("pbx/state.py", "PbxState.__init__"), End("pbx/calls.py", "CallTracker.step")),
    Step("Each call has a track of its own.",
         End("pbx/calls.py", "CallTracker.step"), End("pbx/track.py", "Track.step")),
    Step("A step becomes a fact, in the past tense, with a key that is the same live and from the journal.",
         End("pbx/track.py", "Track.step"), End("pbx/steps.py", "FACTS")),
    Step("The pump takes facts in batches, and waits for nothing else.",
         End("service/pump.py", "Pump.run"), End("pbx/link.py", "PbxLink.batches"), pulled=True),
    Step("The world in memory takes them in.",
         End("service/pump.py", "Pump._apply"), End("service/world.py", "World.apply")),
    Step("What they touch is shown again.",
         End("service/pump.py", "Pump.take"), End("service/push/views.py", "Views.refresh")),
    Step("The board encodes it once for all who may see it.",
         End("service/push/views.py", "Views._show_call"), End("service/push/hub.py", "Board.show")),
    Step("Numbered changes are made once for all pages that see the same.",
         End("service/push/hub.py", "Group.send"), End("service/push/hub.py", "Reader.put")),
    Step("They travel as text over each page's own socket.",
         End("service/push/socket.py", "SocketPage.send"), End("service/frontend/src/live/client.ts", "onmessage"),
         "transport.write", imports=False),
    Step("The page takes it in: old state and changes are what a fresh page would show.",
         End("service/frontend/src/live/client.ts", "#hear"), End("service/frontend/src/live/store.ts", "take("),
         "this.store.take", imports=False),
    Step("Pure functions decide, again whenever the world changes.",
         End("service/pump.py", "Pump._overflow"), End("service/decisions/overflow.py", "decide")),
    Step("The recorder takes facts without waiting.",
         End("service/pump.py", "Pump.take"), End("service/calls/recorder.py", "Recorder.offer")),
    Step("Facts, record, contact and the journal's position are committed together.",
         End("service/calls/ledger.py", "Ledger._commit"), End("service/calls/use_cases.py", "record")),
    Step("Each fact is stored once, whoever told it.",
         End("service/calls/use_cases.py", "record"), End("service/calls/queries.py", "store_facts")),
    Step("They lie in either database, by one model.",
         End("service/calls/queries.py", "store_facts"), End("service/store/sql.py", "insert_once")),
    Step("A command that was decided goes out through one queue.",
         End("service/pump.py", "Pump._carry_out"), End("pbx/link.py", "PbxLink.send")),
    Step("It becomes an action, checked against line ends and rights.",
         End("pbx/link.py", "PbxLink.send"), End("pbx/actions.py", "of")),
    Step("The session sends it once, and never again.",
         End("pbx/link.py", "PbxLink.send"), End("pbx/session.py", "Session.ask")),
    Step("Asterisk carries it out or not: the dialplan's next step tells, and the view changes then.",
         End("pbx/actions.py", "_withdraw"), End("dialplan/waiting.conf", "status-WITHDRAW"), "QueueWithdrawCaller",
         imports=False),
)  # fmt: skip
