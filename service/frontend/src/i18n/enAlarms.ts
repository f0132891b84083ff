/** What is wrong with the line, in English. */

import type { Dictionary } from "./fr";

export const enAlarms: Dictionary["alarms"] = {
  title: "Alarms",
  none: "No alarms.",
  unknown: "Whether there are any is not known now.",
  critical: "Serious",
  warning: "Warning",
  toDo: "To do:",
  places: {
    data: "disk of the data",
    database: "disk of the database",
    logs: (pbx: string) => `disk of the logs of ${pbx}`,
  },
  causes: {
    locked: "Another program holds the database locked.",
    full: "There is no room left where it lies.",
    gone: "It does not answer, or its file is not in its place any more.",
    keys: "A key is missing.",
    bytes: "Room is short.",
    files: "The disk can hold no more files.",
    unknown: "Why is not known.",
  },
  kinds: {
    "pbx-lost": {
      title: "Telephone system out of reach",
      means:
        "The service hears nothing of the telephone system. Conversations go on, and calls are taken as long as it runs; this board shows what was last known.",
      mend: "Tell the administrator: they see whether it runs and whether the service can reach it.",
    },
    "pbx-refused": {
      title: "Telephone system: access refused",
      means: "The telephone system refuses the service's account. The service asks again every minute.",
      mend: "Tell the administrator: the right secrets.json has to be put back, or the telephone system stopped and started again (its calls end first).",
    },
    "database-not-storing": {
      title: "The database stores nothing",
      means: "Calls go on. What happens in them waits and is stored afterwards; notes wait in the browsers.",
      mend: "Tell the administrator: they release the database, make room for it or start it again. Nobody else has anything to do.",
    },
    "notes-not-saving": {
      title: "Notes are not saved",
      means: "What listeners write is kept in their browsers and goes by itself.",
      mend: "Ask everybody to close neither page nor browser as long as this lasts.",
    },
    "disk-full": {
      title: "Disk full",
      means: "There is hardly any room left: the next writing may fail.",
      mend: "Make room now (old backups, other programs). Never delete the database, the keys or the telephone system's journal.",
    },
    "disk-low": {
      title: "The disk fills up",
      means: "Room begins to be short.",
      mend: "Make room, or plan a larger disk, before it is full.",
    },
    "disk-unreadable": {
      title: "Disk out of reach",
      means: "The directory is not there any more, or its disk does not answer.",
      mend: "The administrator sees whether the disk is mounted and in order.",
    },
    "journal-unreadable": {
      title: "The telephone system's journal cannot be read",
      means: "Calls that the service missed are not known before it can be.",
      mend: "The administrator looks at the rights on this file and at its disk. It is tried again by itself.",
    },
    "backlog-growing": {
      title: "The service lags behind",
      means: "Something waits to be read or stored. Nothing is lost, but what is shown may be late.",
      mend: "See what keeps the machine or its disk busy.",
    },
    "heartbeat-not-sent": {
      title: "The service does not guide the telephone system",
      means: "After ten seconds it offers centres by itself to those who wait.",
      mend: "The administrator looks at the service's log.",
    },
    "keys-missing": {
      title: "A key is missing",
      means: "This machine lacks a key that the database needs: some cases cannot be opened here.",
      mend: "The administrator copies this file from the other machine or the backup.",
    },
    "clock-offset": {
      title: "Clocks differ",
      means:
        "The telephone system and the service do not have the same time: times of calls and notes do not fit together.",
      mend: "The administrator lets both machines take their time from the same source.",
    },
    "task-processors-behind": {
      title: "The telephone system is overloaded",
      means: "Work piles up inside it. If that goes on, it will not listen to telephones any more.",
      mend: "The administrator finds what floods it, and reloads nothing now.",
    },
    "member-storm": {
      title: "A telephone fails",
      means: "This telephone refused every call at once: its listener is paused, calls go to others.",
      mend: "Ask this person to check their telephone or to load their page again, then to take calls again.",
    },
    "descriptors-short": {
      title: "The service takes no new pages",
      means: "It has reached the machine's limit of connections. Open pages go on, and so do calls.",
      mend: "Do not reload your page. The administrator raises the limit of open files.",
    },
  },
};
