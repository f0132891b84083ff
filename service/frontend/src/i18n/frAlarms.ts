/** What is wrong with the line, in French: each alarm by its id. */

import type { AlarmState } from "../api/types";

export const frAlarms = {
  title: "Alarmes",
  none: "Aucune alarme.",
  unknown: "On ne sait pas pour l'instant s'il y en a.",
  critical: "Grave",
  warning: "Attention",
  toDo: "À faire :",
  places: {
    data: "disque des données",
    database: "disque de la base de données",
    logs: (pbx: string) => `disque des journaux de ${pbx}`,
  },
  causes: {
    locked: "Un autre programme tient la base verrouillée.",
    full: "Il n'y a plus de place là où elle se trouve.",
    gone: "Elle ne répond pas, ou son fichier n'est plus à sa place.",
    keys: "Une clé manque.",
    bytes: "La place manque.",
    files: "Le disque ne peut plus contenir de nouveaux fichiers.",
    unknown: "La cause n'est pas connue.",
  },
  kinds: {
    "pbx-lost": {
      title: "Central téléphonique injoignable",
      means:
        "Le service n'a plus de nouvelles du central. Les conversations continuent et les appels sont pris tant que le central fonctionne ; ce tableau montre le dernier état connu.",
      mend: "Prévenez la personne qui administre la ligne : elle vérifie que le central fonctionne et que le service peut l'atteindre.",
    },
    "pbx-refused": {
      title: "Central téléphonique : accès refusé",
      means: "Le central refuse les identifiants du service, qui réessaie chaque minute.",
      mend: "Prévenez la personne qui administre la ligne : elle remet en place le bon fichier secrets.json, ou arrête le central, qui laisse les appels se terminer, puis le relance.",
    },
    "database-not-storing": {
      title: "La base de données n'enregistre plus",
      means:
        "Les appels continuent. Ce qui s'y passe attend et sera enregistré ensuite ; les notes attendent dans les navigateurs.",
      mend: "Prévenez la personne qui administre la ligne : elle libère la base, lui fait de la place ou la relance. Rien n'est à faire sur les postes.",
    },
    "notes-not-saving": {
      title: "Les notes ne s'enregistrent pas",
      means: "Ce que les écoutant·es écrivent est gardé dans leur navigateur et partira tout seul.",
      mend: "Demandez à chacun·e de ne fermer ni la page ni le navigateur tant que cette alarme dure.",
    },
    "disk-full": {
      title: "Disque plein",
      means: "Il ne reste presque plus de place : le prochain enregistrement peut échouer.",
      mend: "Faites de la place sans attendre (vieilles sauvegardes, autres programmes). Ne supprimez jamais la base, les clés ni le journal du central.",
    },
    "disk-low": {
      title: "Le disque se remplit",
      means: "La place commence à manquer.",
      mend: "Faites de la place, ou prévoyez un disque plus grand, avant qu'il ne soit plein.",
    },
    "disk-unreadable": {
      title: "Disque inaccessible",
      means: "Le répertoire n'est plus là, ou son disque ne répond pas.",
      mend: "La personne qui administre la ligne vérifie que le disque est branché et en état.",
    },
    "journal-unreadable": {
      title: "Journal du central illisible",
      means: "Les appels que le service a manqués ne seront connus que lorsqu'il pourra le lire.",
      mend: "La personne qui administre la ligne vérifie les droits de ce fichier et son disque. Le service réessaie tout seul.",
    },
    "backlog-growing": {
      title: "Le service prend du retard",
      means: "Des informations attendent d'être lues ou enregistrées. Rien n'est perdu, mais l'affichage peut tarder.",
      mend: "Voyez ce qui occupe la machine ou son disque.",
    },
    "heartbeat-not-sent": {
      title: "Le service ne guide plus le central",
      means: "Au bout de dix secondes, le central propose de lui-même les centres aux personnes qui attendent.",
      mend: "La personne qui administre la ligne regarde le journal du service.",
    },
    "keys-missing": {
      title: "Une clé manque",
      means: "Cette machine n'a pas une clé dont la base a besoin : une partie des dossiers ne peut pas s'ouvrir ici.",
      mend: "La personne qui administre la ligne copie ce fichier depuis l'autre machine ou la sauvegarde.",
    },
    "clock-offset": {
      title: "Horloges décalées",
      means:
        "Le central et le service n'ont pas la même heure : les heures des appels et des notes ne concordent plus.",
      mend: "La personne qui administre la ligne règle les deux machines sur la même source de temps.",
    },
    "task-processors-behind": {
      title: "Le central est débordé",
      means: "Du travail s'accumule dans le central. S'il continue, il n'écoutera plus les téléphones.",
      mend: "La personne qui administre la ligne cherche ce qui le submerge, et ne recharge rien en ce moment.",
    },
    "member-storm": {
      title: "Téléphone en défaut",
      means: "Ce téléphone refusait tous les appels aussitôt : son poste est en pause, les appels vont aux autres.",
      mend: "Demandez à cette personne de vérifier son téléphone ou de recharger sa page, puis de reprendre les appels.",
    },
    "descriptors-short": {
      title: "Le service n'accepte plus de nouvelles pages",
      means: "Il a atteint la limite de connexions de la machine. Les pages ouvertes continuent, les appels aussi.",
      mend: "Ne rechargez pas votre page. La personne qui administre la ligne relève la limite de fichiers ouverts.",
    },
  } satisfies Record<AlarmState["id"], { title: string; means: string; mend: string }>,
};
