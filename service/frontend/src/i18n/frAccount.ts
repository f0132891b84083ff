/** Signing in, and one's own account: in French. */

export const signIn = {
  title: "Bienvenue",
  intro: "Connectez-vous pour rejoindre la ligne.",
  username: "Identifiant",
  password: "Mot de passe",
  submit: "Se connecter",
  show: "Afficher le mot de passe",
  wrong: "L'identifiant ou le mot de passe ne correspond pas. Vérifiez les majuscules, puis réessayez.",
  tooMany: (minutes: number) =>
    minutes === 1
      ? "Trop d'essais. Réessayez dans une minute."
      : `Trop d'essais. Réessayez dans ${minutes} minutes, ou demandez un nouveau mot de passe à la personne qui administre la ligne.`,
  tooManyHere: (minutes: number) =>
    `Trop d'essais ont été faits depuis votre connexion à Internet, peut-être par d'autres personnes. Réessayez dans ${minutes === 1 ? "une minute" : `${minutes} minutes`}.`,
  unreachable: "Le service ne répond pas. Réessayez dans un moment ; les appels, eux, continuent.",
  accountEnded:
    "Votre compte a été fermé. Rien n'est coupé : cet appel et ses notes restent à vous jusqu'à ce que vous terminiez l'écriture. Aucun autre appel ne vous sera proposé.",
  accountGone: "Votre compte est fermé. Merci pour votre écoute.",
  accountGoneHelp: "Si c'est une erreur, parlez-en à la personne qui administre la ligne.",
  stepAfterCall:
    "Votre rôle demande maintenant une deuxième étape de connexion. Terminez tranquillement cet appel et ses notes ; vous l'installerez ensuite, avant les prochains appels.",
  again: "Votre connexion a expiré. L'appel continue ; connectez-vous à nouveau pour enregistrer vos notes.",
  somebodyElse:
    "Quelqu'un d'autre s'est connecté dans ce navigateur. Cette page est arrêtée ; les notes qui n'étaient pas enregistrées y restent scellées pour la personne qui les a écrites.",
  somebodyElseCall:
    "Quelqu'un d'autre s'est connecté dans ce navigateur. Votre appel continue ; les notes non enregistrées y restent scellées pour vous.",
  somebodyElseGoOn: "Continuer",
  wrongAddress: "Cette adresse n'est pas celle de la ligne : ouvrez celle que l'administrateur vous a donnée.",
  failed: "La connexion n'a pas abouti. Réessayez.",
  code: "Code à six chiffres",
  codeHelp:
    "Ouvrez l'application de codes de votre téléphone et recopiez le code affiché. Un code de secours convient aussi.",
  codeWrong: "Ce code ne correspond pas, ou il a déjà servi. Attendez le suivant, puis réessayez.",
  codeBack: "Revenir à l'identifiant",
};

export const account = {
  title: "Mon compte",
  stepTitle: "Deuxième étape de connexion",
  stepWhy:
    "Avec elle, votre mot de passe seul n'ouvre plus rien : un code de votre téléphone est demandé en plus. Il suffit d'une application de codes, par exemple celle de votre gestionnaire de mots de passe.",
  stepMustEnrol: "Votre rôle demande cette deuxième étape. Installez-la maintenant : vos pages s'ouvriront ensuite.",
  stepPresent:
    "Votre rôle demande votre deuxième étape de connexion, et ce navigateur ne l'a pas encore montrée. Connectez-vous une fois encore, avec votre code : vos pages s'ouvriront ensuite.",
  stepOn: "Elle est en place.",
  stepOff: "Elle n'est pas en place.",
  stepRequired: "Votre rôle la demande : elle ne peut pas être retirée.",
  codesLeft: (count: number) =>
    count === 0
      ? "Il ne vous reste aucun code de secours : demandez-en de nouveaux ci-dessous."
      : `Codes de secours restants : ${count}.`,
  ownPassword: "Votre mot de passe",
  begin: "Mettre en place",
  remove: "Retirer",
  scan: "Lisez cette image avec l'application de codes de votre téléphone.",
  picture: "Image à lire avec l'application de codes",
  typed: "Ou tapez cette clé dans l'application :",
  code: "Code affiché par l'application",
  confirm: "Vérifier et activer",
  codesTitle: "Vos codes de secours",
  codesHelp:
    "Notez-les sur papier et gardez-les loin de votre téléphone. Chacun remplace une fois le code, si le téléphone est perdu. Ils ne seront plus montrés.",
  codesDone: "Je les ai notés",
  newCodes: "Nouveaux codes de secours…",
  newCodesHelp: "Dix nouveaux codes remplaceront les anciens, qui ne vaudront plus.",
  newCodesMake: "Remplacer mes codes",
  stepRemove: "Retirer cette étape…",
  wrongPassword: "Ce n'est pas votre mot de passe. Réessayez.",
  wrongCode: "Ce code ne correspond pas. Prenez celui qui est affiché maintenant.",
  tooMany: (minutes: number) =>
    minutes === 1 ? "Trop d'essais. Réessayez dans une minute." : `Trop d'essais. Réessayez dans ${minutes} minutes.`,
  failed: "La demande n'est pas passée. Réessayez.",
  eventsTitle: "Ce qui s'est passé sur votre compte",
  eventsHelp:
    "Les trente derniers jours. Si quelque chose ne vient pas de vous, déconnectez les autres navigateurs et demandez un nouveau mot de passe.",
  noEvents: "Rien pour l'instant.",
  refusedCount: (count: number) =>
    count === 1
      ? "1 connexion a été refusée sur votre compte ces trente derniers jours."
      : `${count} connexions ou davantage ont été refusées sur votre compte ces trente derniers jours.`,
  events: {
    "account.changed": "Un nouveau mot de passe vous a été donné ; toutes vos connexions ont pris fin.",
    "account.made": "Votre compte a été créé.",
    "account.returned": "Votre compte a été rouvert.",
    "code.refused":
      "Un code faux a été tapé après votre bon mot de passe. Si ce n'était pas vous, quelqu'un connaît votre mot de passe : demandez-en un nouveau.",
    "recovery-code.used": "Un de vos codes de secours a servi.",
    "recovery-codes.made": "De nouveaux codes de secours ont été créés ; les anciens ne valent plus.",
    "second-step.asked": "Votre rôle demande désormais la deuxième étape : vos connexions d'avant doivent la montrer.",
    "second-step.removed": "Votre deuxième étape a été retirée.",
    "second-step.set": "Votre deuxième étape a été mise en place.",
    "sessions.ended": "Des connexions ont pris fin.",
    "sign-in.refused": "Une connexion a été refusée : le mot de passe ne convenait pas.",
    "signed-in": "Connexion.",
    "signed-out": "Déconnexion.",
    "token.replayed":
      "Une ancienne clé de connexion a été présentée : peut-être une copie de votre navigateur. Par prudence, la connexion concernée prend fin, jamais pendant un entretien.",
  },
  byMe: "par vous",
  byService: "par l'administration ou par le service",
  sessionsTitle: "Où vous êtes connecté·e",
  sessionsHelp:
    "Si vous ne reconnaissez pas une connexion, mettez-y fin et demandez un nouveau mot de passe. Un appel en cours n'est jamais coupé.",
  here: "Ce navigateur",
  elsewhere: "Un autre navigateur",
  withPhone: "avec votre téléphone",
  since: (made: string, used: string) => `Connexion du ${made}, dernière activité le ${used}`,
  end: "Déconnecter",
  endOthers: "Déconnecter partout ailleurs",
};
