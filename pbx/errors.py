"""What goes wrong while the PBX is installed, configured or started: one sentence, and its mend."""

from __future__ import annotations


class SetupError(Exception):
    """Something that a person has to mend before the PBX can run.

    `id`: stable, kebab-case. `sentence`: what is wrong, one sentence. `mend`: what to do about it.
    None of them carries personal data or a secret.
    """

    def __init__(self, error_id: str, sentence: str, mend: str) -> None:
        super().__init__(f"{sentence} {mend}")
        self.id = error_id
        self.sentence = sentence
        self.mend = mend
